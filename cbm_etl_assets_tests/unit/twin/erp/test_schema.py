"""The ERP's schema is shaped on the real one: counts by type, keys, indexes, names."""

from __future__ import annotations

from collections import Counter

import pytest

from cbm_etl_assets.errors import ConfigurationError, UnknownTableError
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.twin.erp.profile import profile_of, row_counts
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, blueprint, erp_table, erp_tables

TABLES = tuple(BLUEPRINTS)


def test_there_are_the_seven_tables() -> None:
    assert {t.name for t in erp_tables()} == {"client", "fournis", "produit", "hisprixa", "entetcli", "lignecli", "stock"}


@pytest.mark.parametrize("table", TABLES)
def test_columns_by_type_are_the_profile_s(table: str) -> None:
    columns = erp_table(table).columns
    words = {"int64": "integer"}
    counted = Counter("character" if c.extent else words.get(c.abl_type, c.abl_type) for c in columns)
    assert counted == Counter({kind: n for kind, n in profile_of(table).by_type.items() if n})
    assert len(columns) == profile_of(table).columns


@pytest.mark.parametrize("table", TABLES)
def test_names_are_unique_once_made_sql_safe(table: str) -> None:
    names = [sql_safe(c.name).lower() for c in erp_table(table).columns]
    assert [n for n, times in Counter(names).items() if times > 1] == []
    assert all(len(c.name) <= 32 for c in erp_table(table).columns)


@pytest.mark.parametrize("table", TABLES)
def test_a_unique_index_stands_on_the_key(table: str) -> None:
    schema = erp_table(table)
    assert blueprint(table).key in {i.columns for i in schema.indexes if i.unique}
    assert all(schema.column(name) for index in schema.indexes for name in index.columns)
    assert sum(i.primary for i in schema.indexes) == 1


def _names(tables: tuple[SourceTable, ...]) -> set[str]:
    return {c.name for t in tables for c in t.columns}


def test_the_awkward_things_of_the_real_database_are_there() -> None:
    tables = erp_tables()
    assert {"gencod-v", "gencod-a", "mult-fou", "en-tete", "mot-cle", "Desc", "Date", "Group", "Area", "Cycle"} <= _names(tables)
    assert [i.name for i in erp_table("produit").indexes if i.primary and not i.unique] == ["i_fam"]
    assert max(c.sql_width or 0 for c in erp_table("produit").columns) == 31_000
    assert {c.name: c.extent for c in erp_table("produit").columns if c.extent} == {"px_vte": 5, "qte_pal": 3, "lib_alt": 3}
    assert not {"dat_mod", "dat_crt"} & {c.name for c in erp_table("lignecli").columns}
    assert any("é" in c.label for c in erp_table("client").columns)


def test_scales() -> None:
    assert row_counts("1x")["produit"] == 436_327
    assert row_counts("10x")["stock"] == 2_794_720
    assert row_counts("demo")["lignecli"] == 6_000
    with pytest.raises(ConfigurationError, match=r"Unknown scale 'huge'\. Known: demo"):
        row_counts("huge")


def test_an_unknown_table_names_the_known_ones() -> None:
    with pytest.raises(UnknownTableError, match=r"Unknown table 'clients'\. Known: client, entetcli"):
        erp_table("clients")
