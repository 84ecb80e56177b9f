"""The packaged table specs are the generator's schema, completed by hand; nothing in them has drifted."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.settings import PACKAGE_DIR
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, blueprint, erp_table
from cbm_etl_assets.twin.erp.specs import erp_spec, main

TABLES = tuple(BLUEPRINTS)
PACKAGED = PACKAGE_DIR / "tables"


def test_the_packaged_files_are_what_the_maintainer_s_command_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(TABLES)
    stale = [t for t in TABLES if (tmp_path / f"{t}.yaml").read_text("utf-8") != (PACKAGED / f"{t}.yaml").read_text("utf-8")]
    assert stale == [], "run: python -m cbm_etl_assets.twin.erp.specs"


def test_the_catalog_reads_them_back_as_they_were_built() -> None:
    catalog = load_catalog(PACKAGED)
    assert {name: catalog[name] for name in TABLES} == {name: erp_spec(name) for name in TABLES}


@pytest.mark.parametrize("table", TABLES)
def test_every_column_of_the_schema_is_declared(table: str) -> None:
    schema, spec = erp_table(table), erp_spec(table)
    declared = [(c.name, c.extent, c.sql_width, c.nullable) for c in spec.columns]
    assert declared == [(c.name, c.extent, c.sql_width, not c.mandatory) for c in schema.columns]
    differing = [c.name for c, s in zip(spec.columns, schema.columns, strict=True) if not s.extent and c.source_logical != s.type]
    assert differing == []


@pytest.mark.parametrize("table", TABLES)
def test_the_key_is_the_unique_index_never_the_non_unique_primary_one(table: str) -> None:
    assert erp_spec(table).primary_key == blueprint(table).key


def test_lines_have_no_cursor_and_the_others_a_date_one() -> None:
    specs = {table: erp_spec(table) for table in TABLES}
    assert [t for t, s in specs.items() if s.cursor is None] == ["lignecli"]
    for spec in specs.values():
        if spec.cursor:
            assert {spec.column(c).logical.kind for c in spec.cursor.columns} == {Kind.DATE}
            assert spec.partition is not None


def test_personal_data_of_clients_is_masked() -> None:
    masked = {c.name for c in erp_spec("client").columns if c.mask}
    assert masked == {"e_mail", "num_tel", "num_fax", "iban"}
    assert not any(c.mask for t in TABLES if t != "client" for c in erp_spec(t).columns)


def test_dependencies_follow_the_references() -> None:
    edges = {t: set(erp_spec(t).depends_on) for t in TABLES}
    assert edges["lignecli"] == {"entetcli"}
    assert edges["entetcli"] == {"client"}
    assert {e for found in edges.values() for e in found} <= set(TABLES)
