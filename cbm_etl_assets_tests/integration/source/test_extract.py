"""Extraction from the twin: every value exact, the file whole, the range respected, the statement as promised."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbm_etl_assets.errors import SettingsError, SourceError, SourceSchemaError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.source.odbc import OdbcSource
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, ReadRange
from cbm_etl_assets.source.readers import UNBOUND
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.source.conftest import MakeSource, spec_of
from cbm_etl_assets_tests.integration.twin import tables

pytestmark = pytest.mark.integration

KEY = {"primary_key": ["cod_cli"]}
SCHEMA: dict[str, dict[str, Any]] = {"openedge": {}, "ansi": {"source_schema": "pub"}}  # PostgreSQL's spelling of PUB
CURSOR: dict[str, Any] = KEY | {"cursor": {"columns": ["dat_mod"]}}


def extract(source: OdbcSource, spec: TableSpec, folder: Path, read_range: ReadRange | None = None) -> tuple[ExtractResult, pa.Table]:
    folder.mkdir(exist_ok=True)
    result = source.extract(ExtractRequest(spec, read_range or ReadRange(), folder))
    return result, pa.concat_tables(pq.read_table(folder / f.name, page_checksum_verification=True) for f in result.files)


@pytest.mark.parametrize("dialect", ["openedge", "ansi"])
def test_every_value_arrives_exactly(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path, dialect: str) -> None:
    tables.load(clean_twin, 500)
    result, table = extract(make_source(dialect), spec_of(tables.CLIENT, **CURSOR, **SCHEMA[dialect]), tmp_path / "out")
    assert result.rows == table.num_rows == 500
    rows = {r["cod_cli"]: r for r in table.to_pylist()}
    for number, sent in enumerate(tables.rows(500).iter_rows(named=True), start=1):
        got = rows[number]
        assert got["Nom"] == sent["nom"]
        assert got["gencod-v"] == sent["gencod-v"]
        assert got["actif"] is sent["actif"]
        assert got["solde"] == sent["solde"]
        assert got["px_vte"] == f"123.45;0.00;?;-2.00;{number}.00"
        assert (got["date"], got["dat_mod"], got["vu_le"]) == (sent["date"], sent["dat_mod"], sent["vu_le"])
        assert (got["photo"], got["notes"], got["uniq"]) == (sent["photo"], sent["notes"], sent["uniq"])
        assert len(got["_key_hash"]) == len(got["_hashdiff"]) == 32
    assert result.high_water == dt.datetime(2024, 1, 1, 12, 0, 0, 500_000) + dt.timedelta(hours=499)
    assert len({r["_key_hash"] for r in rows.values()}) == 500
    assert table.schema.field("solde").type == pa.decimal128(12, 2)
    assert table.column_names == [c.name for c in tables.CLIENT.columns] + ["_key_hash", "_hashdiff"]


def test_the_checksum_in_the_answer_is_that_of_the_file(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 50)
    result, _ = extract(make_source(), spec_of(tables.CLIENT, **KEY), tmp_path / "out")
    content = (tmp_path / "out" / result.files[0].name).read_bytes()
    assert result.files[0].sha256 == hashlib.sha256(content).hexdigest()
    assert result.files[0].bytes == len(content)


def test_the_statement_takes_no_lock_and_binds_its_values(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 100)
    lower = dt.datetime(2024, 1, 3)
    result, table = extract(make_source(), spec_of(tables.CLIENT, **CURSOR), tmp_path / "out", ReadRange(lower=lower))
    assert result.parameters == ("2024-01-03 00:00:00",)
    assert "2024-01-03" not in result.query
    assert min(table.column("dat_mod").to_pylist()) == dt.datetime(2024, 1, 3, 0, 0, 0, 500_000)
    reads = clean_twin.statements(lambda s: '"Client" WITH' in s["sql"] and "gencod-v" in s["sql"])
    assert reads
    assert all(s["nolock"] for s in reads)


def test_a_result_without_rows_is_a_file_with_the_schema(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 10)
    spec = spec_of(tables.CLIENT, **CURSOR)
    result, table = extract(make_source(), spec, tmp_path / "out", ReadRange(dt.datetime(2030, 1, 1), include_nulls=False))
    assert (result.rows, len(result.files), result.high_water) == (0, 1, None)
    assert table.num_columns == len(spec.kept_columns) + 2


@pytest.mark.parametrize("limits", [{"batch_cells": 24}, {"batch_bytes": 70_000}, {"array_size": 7}, {}])
def test_the_hashes_do_not_depend_on_the_batches(
    make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path, limits: dict[str, int]
) -> None:
    tables.load(clean_twin, 60)
    spec = spec_of(tables.CLIENT, **KEY)
    _, plain = extract(make_source(), spec, tmp_path / "plain")
    _, other = extract(make_source(**limits), spec, tmp_path / "other")
    assert plain.sort_by("cod_cli").equals(other.sort_by("cod_cli"))


def test_split_reads_give_the_same_rows(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 300)
    _, whole = extract(make_source(), spec_of(tables.CLIENT, **KEY), tmp_path / "whole")
    seen: list[tuple[int, int]] = []
    source = make_source()
    (tmp_path / "parts").mkdir()
    request = ExtractRequest(
        spec_of(tables.CLIENT, **CURSOR, split={"column": "cod_cli", "parts": 3}), ReadRange(dt.datetime(2024, 1, 2)), tmp_path / "parts"
    )
    result = source.extract(request, lambda rows, size: seen.append((rows, size)))
    parts = pa.concat_tables(pq.read_table(tmp_path / "parts" / f.name) for f in result.files)
    expected = whole.filter(pa.compute.greater_equal(whole.column("dat_mod"), pa.scalar(dt.datetime(2024, 1, 2))))
    assert [f.name for f in result.files] == ["part-00000.parquet", "part-00001.parquet", "part-00002.parquet"]
    assert parts.sort_by("cod_cli").equals(expected.sort_by("cod_cli"))
    assert seen[-1][0] == result.rows == expected.num_rows


@pytest.mark.parametrize("length", [3_000, 20_000, 200_000])
def test_long_text_is_read_again_never_cut(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path, length: int) -> None:
    tables.load(clean_twin, 20)
    with clean_twin.pg() as conn:
        conn.execute('UPDATE pub."Client" SET notes = repeat(%s, %s) WHERE cod_cli = 13', ("é", length))
    source = make_source("ansi")
    result, table = extract(source, spec_of(tables.CLIENT, **KEY, **SCHEMA["ansi"]), tmp_path / "out")
    notes = dict(zip(table.column("cod_cli").to_pylist(), table.column("notes").to_pylist(), strict=True))
    assert notes[13] == "é" * length
    assert table.num_rows == 20
    assert [p.name for p in (tmp_path / "out").iterdir()] == [result.files[0].name]


def test_the_reader_without_buffers_gives_the_same_file(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 40)
    spec = spec_of(tables.CLIENT, **KEY, **SCHEMA["ansi"])
    _, fast = extract(make_source("ansi"), spec, tmp_path / "fast")
    slow_source = make_source("ansi")
    slow_source._caps.remember(spec.name, UNBOUND)
    result, slow = extract(slow_source, spec, tmp_path / "slow")
    assert result.reader == "pyodbc"
    assert slow.sort_by("cod_cli").equals(fast.sort_by("cod_cli"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [("numeric", "NaN"), ("date", "infinity"), ("date", "10000-01-01"), ("double precision", "0.1"), ("bigint", "1099511627776")],
)
def test_what_the_driver_would_damage_is_exact_or_left_out(
    make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path, kind: str, value: str
) -> None:
    declared = {"numeric": "decimal(18,2)", "date": "date", "double precision": "double", "bigint": "integer"}[kind]
    with clean_twin.pg() as conn:
        conn.execute(f"DROP TABLE IF EXISTS pub.odd; CREATE TABLE pub.odd (v {kind})")
        conn.execute(f"INSERT INTO pub.odd VALUES (NULL), ('{value}'); GRANT SELECT ON pub.odd TO PUBLIC")
    spec = TableSpec.model_validate({"table": "odd", "source_schema": "pub", "columns": [{"name": "v", "type": declared}]})
    try:
        if kind == "double precision":
            assert extract(make_source("ansi"), spec, tmp_path / "out")[1].column("v").to_pylist() == [None, 0.1]
        else:
            result, table = extract(make_source("ansi"), spec, tmp_path / "out")
            assert (result.rows, [bad.column for bad in result.bad]) == (2, ["v"])
            assert kind == "date" or value in result.bad[0].payload, "psqlODBC has damaged such a date before anybody sees it"
            assert table.column("v").to_pylist() == [None, None]
            assert table.column("_hashdiff").null_count == 1
    finally:
        with clean_twin.pg() as conn:
            conn.execute("DROP TABLE pub.odd")


def test_the_clock_is_the_sources_wall_clock(make_source: MakeSource, clean_twin: TwinHandle) -> None:
    with clean_twin.pg() as conn:
        row = conn.execute("SELECT clock_timestamp() AT TIME ZONE 'Europe/Paris'").fetchone()
    assert row is not None
    for dialect in ("openedge", "ansi"):
        now = make_source(dialect).clock()
        assert now.tzinfo is None
        assert abs(now - row[0]) < dt.timedelta(seconds=20)


@pytest.mark.parametrize("dialect", ["openedge", "ansi"])
def test_small_queries_keep_their_types(make_source: MakeSource, clean_twin: TwinHandle, dialect: str) -> None:
    tables.load(clean_twin, 10)
    sql = 'SELECT COUNT(*) AS n, SUM("solde") AS s, MAX("dat_mod") AS m, MIN("Nom") AS x FROM "PUB"."Client" WHERE "cod_cli" <= ?'
    source = make_source(dialect)
    table = source.query(sql.replace('"PUB"', '"pub"') if dialect == "ansi" else sql, [4])
    row = table.to_pylist()[0]
    assert (row["n"], row["s"], row["x"]) == (4, Decimal("2.50"), "Nom é 1")
    assert row["m"] == dt.datetime(2024, 1, 1, 15, 0, 0, 500_000)


def test_the_openedge_catalogue_is_the_declared_table(make_source: MakeSource, clean_twin: TwinHandle) -> None:
    tables.load(clean_twin, 1)
    source = make_source()
    assert "Client" in source.table_names("PUB")
    found = source.catalogue("PUB", "client")
    assert found.name == "Client"
    assert found.label == "Clients"
    assert [c.name for c in found.columns] == [c.name for c in tables.CLIENT.columns]
    by_name = {c.name: c for c in found.columns}
    assert str(by_name["gencod-v"].type) == "varchar(13)"
    assert by_name["px_vte"].extent == 5
    assert by_name["cod_cli"].mandatory
    assert by_name["vu_le"].abl_type == "datetime-tz"
    assert {i.name: (i.columns, i.unique, i.primary) for i in found.indexes} == {
        "par-nom": (("Nom",), False, True),
        "pk-cli": (("cod_cli",), True, False),
    }


def test_the_odbc_catalogue_describes_a_plain_table(make_source: MakeSource, clean_twin: TwinHandle) -> None:
    tables.load(clean_twin, 1)
    with clean_twin.pg() as conn:
        conn.execute("CREATE TABLE pub.plain (b numeric(9,3) NOT NULL, a integer PRIMARY KEY, t varchar(7), z timestamptz)")
        conn.execute("GRANT SELECT ON pub.plain TO PUBLIC")
    try:
        source = make_source("ansi")
        assert {"Client", "plain"} <= set(source.table_names("pub"))
        found = source.catalogue("PUB", "PLAIN")
    finally:
        with clean_twin.pg() as conn:
            conn.execute("DROP TABLE pub.plain")
    assert [(c.name, str(c.type), c.mandatory) for c in found.columns] == [
        ("b", "decimal(9,3)", True), ("a", "integer", True), ("t", "varchar(7)", False), ("z", "timestamptz", False),
    ]  # fmt: skip
    assert [(i.columns, i.unique, i.primary) for i in found.indexes] == [(("a",), True, True)]


@pytest.mark.parametrize("dialect", ["openedge", "ansi"])
def test_an_unknown_table_names_the_known_ones(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path, dialect: str) -> None:
    tables.load(clean_twin, 1)
    with pytest.raises(SourceSchemaError, match=r"Known: .*Client"):
        make_source(dialect).catalogue("PUB", "clients")
    spec = TableSpec.model_validate({"table": "clients", "columns": [{"name": "a", "type": "integer"}]})
    with pytest.raises(SourceSchemaError):
        extract(make_source(dialect), spec, tmp_path / "out")


def test_an_unknown_column_is_a_schema_error(make_source: MakeSource, clean_twin: TwinHandle, tmp_path: Path) -> None:
    tables.load(clean_twin, 1)
    spec = TableSpec.model_validate({"table": "Client", "columns": [{"name": "cod_clii", "type": "integer"}]})
    with pytest.raises(SourceSchemaError, match="cod_clii"):
        extract(make_source(), spec, tmp_path / "out")


def test_a_wrong_password_is_final_and_not_shown(make_source: MakeSource, clean_twin: TwinHandle) -> None:
    source = make_source("ansi", connection_string=clean_twin.plain_odbc.replace(f"PWD={clean_twin.secret}", "PWD={hunter2;x}"))
    with pytest.raises(SourceError, match="login") as caught:
        source.clock()
    assert "hunter2" not in str(caught.value)


def test_no_source_is_a_setting_to_make(tmp_path: Path) -> None:
    with OdbcSource(Settings(home=tmp_path)) as source, pytest.raises(SettingsError, match="No source is configured"):
        source.clock()
