"""SQL files and the typed values that fill them; which DuckDB type holds which."""

from __future__ import annotations

import pytest
from jinja2 import UndefinedError

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.dialects.duckdb import quote, type_name
from cbm_etl_assets.warehouse.dialects.duckdb_columns import is_wider, is_wider_stored
from cbm_etl_assets.warehouse.sql import Statements

STATEMENTS = Statements("duckdb", quote, type_name)


def test_identifiers_are_quoted_whatever_they_hold() -> None:
    text = STATEMENTS.render("ods/count", target=STATEMENTS.ident("ods", 'a"; DROP TABLE x; --'))
    assert text == 'SELECT count(*) FROM "ods"."a""; DROP TABLE x; --";\n'


def test_a_bare_string_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="target must be Ident"):
        STATEMENTS.render("ods/count", target="ods.client")


def test_a_placeholder_nobody_filled_is_refused() -> None:
    with pytest.raises(UndefinedError):
        STATEMENTS.render("ods/count")


def test_an_unknown_file_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"Unknown SQL file 'ods/merge'.*ods/classify"):
        STATEMENTS.render("ods/merge")


def test_an_unknown_warehouse_names_the_known_ones() -> None:
    from cbm_etl_assets.settings import Settings, WarehouseSettings

    with pytest.raises(ConfigurationError, match=r"CBM_WAREHOUSE__KIND is 'oracle'. Known: duckdb"):
        registry.create(Settings(warehouse=WarehouseSettings(kind="oracle")))


@pytest.mark.parametrize(("stored", "wanted", "fits"), [
    ("INTEGER", "bigint", True), ("BIGINT", "integer", False), ("INTEGER", "decimal(12,2)", True), ("BIGINT", "decimal(12,2)", False),
    ("DECIMAL(10,2)", "decimal(12,2)", True), ("DECIMAL(10,2)", "decimal(12,4)", True), ("DECIMAL(10,2)", "decimal(10,4)", False),
    ("DATE", "timestamp", True), ("VARCHAR", "date", False), ("BIGINT", "double", False),
])  # fmt: skip
def test_only_lossless_types_are_wider(stored: str, wanted: str, fits: bool) -> None:
    kind = LogicalType.parse(wanted)
    assert is_wider(stored, kind, type_name(kind)) is fits


def test_a_wider_stored_type_takes_the_specs_values() -> None:
    assert is_wider_stored("BIGINT", "INTEGER")
    assert is_wider_stored("DECIMAL(12,4)", "DECIMAL(10,2)")
    assert not is_wider_stored("DECIMAL(10,2)", "DECIMAL(12,2)")
    assert not is_wider_stored("DATE", "VARCHAR")
