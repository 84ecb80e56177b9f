"""Schema drift on the line: the source's columns change behind the proxy, its catalogue says so, ODS follows or stops in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cbm_etl_assets.errors import SourceSchemaError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.forecast import forecast
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.warehouse.dialects.duckdb import DuckDbWarehouse
from cbm_etl_assets_tests.line_fixture import Line, article_spec, source_table

pytestmark = pytest.mark.integration
SOON = dt.datetime(2026, 1, 9, 9)
Alter = Callable[[SourceTable], SourceTable]


def column(name: str, kind: str, abl: str, width: int | None = None) -> SourceColumn:
    return SourceColumn(name, LogicalType.parse(kind), abl, sql_width=width, order=900)


def added(new: SourceColumn) -> Alter:
    return lambda table: replace(table, columns=(*table.columns, new))


def dropped(name: str) -> Alter:
    return lambda table: replace(
        table, columns=tuple(c for c in table.columns if c.name != name), indexes=tuple(i for i in table.indexes if name not in i.columns)
    )


def retyped(name: str, kind: str, abl: str, width: int | None = None) -> Alter:
    new: dict[str, Any] = {"type": LogicalType.parse(kind), "abl_type": abl, "sql_width": width}
    return lambda table: replace(table, columns=tuple(replace(c, **new) if c.name == name else c for c in table.columns))


def spec_with(*columns: dict[str, str], **changes: Any) -> Any:
    return article_spec(**changes, columns=[*[c.model_dump(exclude_unset=True) for c in article_spec().columns], *columns])


def alter(line: Line, *steps: Alter, start: SourceTable | None = None, renamed: dict[str, str] | None = None) -> SourceTable:
    from cbm_etl_assets.twin import store

    table = start or source_table()
    with line.twin.pg() as conn:
        for step in steps:
            table = step(table)
            store.alter_table(conn, table, renamed)
    return table


def both(line: Line, table: SourceTable) -> tuple[list[Any], list[Any]]:
    """Source and ODS, each read by a way of its own."""
    with line.twin.pg() as conn:
        source = conn.execute("SELECT " + ", ".join(f'"{c.name}"' for c in table.columns) + " FROM pub.article").fetchall()
    wanted = ", ".join(f'"{sql_safe(c.name)}"' for c in table.columns)
    ods = line.platform.warehouse.query(f"SELECT {wanted} FROM ods.article WHERE NOT _is_deleted").rows
    return sorted(source, key=repr), sorted(ods, key=repr)


def assert_equal(line: Line, table: SourceTable) -> None:
    source, ods = both(line, table)
    assert ods == source


def ods_types(line: Line) -> dict[str, str]:
    found = line.platform.warehouse.query("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'article'")
    return {str(name): str(kind) for name, kind in found.rows}


def kinds(line: Line) -> list[tuple[str, str, str]]:
    return [(row.kind, row.column, row.consequence) for row in line.platform.control.drift_rows("article")]


def follow_and_compare(line: Line, table: SourceTable) -> None:
    line.execute("UPDATE pub.article SET \"gencod-v\" = 'vu', dat_mod = %s WHERE cod_art = 'A00003'", SOON)
    line.load(Mode.INCREMENTAL)
    assert_equal(line, table)
    line.execute("UPDATE pub.article SET \"gencod-v\" = 'revu', dat_mod = %s WHERE cod_art = 'A00004'", SOON)
    line.load(Mode.INCREMENTAL)
    assert_equal(line, table)
    line.load(Mode.FULL)
    assert_equal(line, table)


def test_an_added_column_is_filled_by_one_full_read(line: Line) -> None:
    """SD02"""
    line.load()
    table = alter(line, added(column("cod_tva", "integer", "integer")))
    line.execute("UPDATE pub.article SET cod_tva = length(cod_art) + qte::int")
    first = line.load(Mode.INCREMENTAL)
    assert (first.mode, first.outcome.updated, first.outcome.unchanged) == (Mode.FULL, 0, 200)
    assert_equal(line, table)
    again = line.load(Mode.INCREMENTAL)
    assert (again.mode, again.outcome.updated) == (Mode.INCREMENTAL, 0)
    assert kinds(line) == [("added", "cod_tva", "loaded")]
    follow_and_compare(line, table)


@pytest.mark.parametrize(("name", "kind", "abl", "width", "stored"), [
    ("Libelle", "varchar(60)", "character", 60, "VARCHAR"),
    ("qte", "decimal(18,4)", "decimal", None, "DECIMAL(18,4)"),
    ("cod_art", "varchar(24)", "character", 24, "VARCHAR"),
])  # fmt: skip
def test_a_widened_column_widens_ods(line: Line, name: str, kind: str, abl: str, width: int | None, stored: str) -> None:
    """SD02, SD04"""
    line.load()
    table = alter(line, retyped(name, kind, abl, width))
    follow_and_compare(line, table)
    assert ods_types(line)[name] == stored
    assert kinds(line) == [("widened", name, "loaded")]


def with_number(line: Line) -> SourceTable:
    """article with an integer column `nb`, loaded once."""
    table = alter(line, added(column("nb", "integer", "integer")))
    line.execute("UPDATE pub.article SET nb = right(cod_art, 5)::int")
    line.spec = spec_with({"name": "nb", "type": "integer"})
    line.load()
    assert_equal(line, table)
    return table


def test_int_becomes_bigint(line: Line) -> None:
    """SD02"""
    table = alter(line, retyped("nb", "bigint", "int64"), start=with_number(line))
    line.execute("UPDATE pub.article SET nb = 5000000000, dat_mod = %s WHERE cod_art = 'A00001'", SOON)
    result = line.load(Mode.INCREMENTAL)
    assert (result.mode, result.outcome.updated) == (Mode.INCREMENTAL, 1)
    assert ods_types(line)["nb"] == "BIGINT"
    follow_and_compare(line, table)


def test_int_becomes_text(line: Line) -> None:
    """SD03"""
    started = with_number(line)
    table = alter(line, retyped("nb", "varchar(10)", "character", 10), start=started)
    result = line.load(Mode.INCREMENTAL)
    assert result.outcome.updated == 0
    assert ods_types(line)["nb"] == "VARCHAR"
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL
    assert line.load(Mode.INCREMENTAL).mode is Mode.INCREMENTAL
    follow_and_compare(line, table)


def test_a_type_without_common_ground_stops_naming_the_column(line: Line) -> None:
    """SD03"""
    line.load()
    before = line.ods_rows()
    alter(line, dropped("qte"), added(column("qte", "date", "date")))
    for mode in (Mode.INCREMENTAL, Mode.FULL):
        with pytest.raises(SourceSchemaError, match=r"column 'qte' is date in the source and decimal\(12,3\) in the spec"):
            line.load(mode)
    assert line.ods_rows() == before
    assert line.leftovers() == []
    assert kinds(line) == [("retyped", "qte", "stopped")]


def test_a_dropped_column_stays_and_turns_null_for_rows_read_later(line: Line) -> None:
    """SD02"""
    line.load()
    table = alter(line, dropped("qte"))
    line.execute("UPDATE pub.article SET \"gencod-v\" = 'vu', dat_mod = %s WHERE cod_art = 'A00003'", SOON)
    result = line.load(Mode.INCREMENTAL)
    assert (result.mode, result.outcome.updated) == (Mode.INCREMENTAL, 1)
    read = line.platform.warehouse.query("SELECT cod_art, qte IS NULL FROM ods.article WHERE cod_art IN ('A00003', 'A00005') ORDER BY 1")
    assert read.rows == [("A00003", True), ("A00005", False)]
    follow_and_compare(line, table)
    assert kinds(line) == [("removed", "qte", "kept")]


def test_a_column_that_went_and_came_back_is_read_in_full(line: Line) -> None:
    """SD02"""
    line.load()
    without = alter(line, dropped("qte"))
    line.load(Mode.INCREMENTAL)
    table = alter(line, added(column("qte", "decimal(12,3)", "decimal")), start=without)
    line.execute("UPDATE pub.article SET qte = 4.5")
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL
    assert_equal(line, table)
    assert [row.resolved_utc is None for row in line.platform.control.drift_rows("article")] == [False]


def test_a_column_dropped_and_added_between_two_loads_is_seen_by_its_place_and_read_in_full(line: Line) -> None:
    """SD02"""
    line.load()
    assert line.load(Mode.INCREMENTAL).mode is Mode.INCREMENTAL
    table = alter(line, dropped("qte"), added(column("qte", "decimal(12,3)", "decimal")))
    assert forecast(line.platform, line.spec, LoadOptions(Mode.INCREMENTAL)).mode == "full"
    line.load(Mode.AUTO, "2026-01-02")
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL, "a partition was not the whole table"
    assert_equal(line, table)
    assert line.load(Mode.INCREMENTAL).mode is Mode.INCREMENTAL
    [row] = line.platform.control.drift_rows("article")
    assert (row.kind, row.column, row.consequence, row.resolved_utc is None) == ("readded", "qte", "loaded", False)


def test_a_load_killed_before_its_full_read_does_not_forget_the_column(line: Line) -> None:
    """SD02"""
    from unittest.mock import patch

    line.load()
    table = alter(line, dropped("qte"), added(column("qte", "decimal(12,3)", "decimal")))
    with patch.object(DuckDbWarehouse, "apply", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        line.load(Mode.INCREMENTAL)
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL
    assert_equal(line, table)


def test_a_renamed_column_is_a_drop_and_an_add_reported_as_a_probable_rename(line: Line) -> None:
    """SD02"""
    line.load()
    renamed = replace(source_table(), columns=tuple(replace(c, name="qte_stk") if c.name == "qte" else c for c in source_table().columns))
    table = alter(line, lambda _: renamed, renamed={"qte": "qte_stk"})
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL
    assert_equal(line, table)
    [row] = line.platform.control.drift_rows("article")
    assert (row.kind, row.before, row.after) == ("renamed", "qte", "qte_stk")
    assert row.note.startswith("probable")
    assert "qte" in ods_types(line)
    follow_and_compare(line, table)


def test_an_order_of_columns_changes_nothing(line: Line) -> None:
    """SD02"""
    line.load()
    columns = tuple(replace(c, order=100 - c.order) for c in reversed(source_table().columns))
    table = alter(line, lambda t: replace(t, columns=columns))
    assert line.load(Mode.FULL).outcome.unchanged == 200
    follow_and_compare(line, table)
    assert kinds(line) == []


def test_a_dropped_modification_column_fails_in_words_or_loads_in_full(line: Line) -> None:
    """SD05"""
    line.load()
    before = line.ods_rows()
    table = alter(line, dropped("dat_mod"))
    with pytest.raises(SourceSchemaError, match=r"column 'dat_mod' is gone from the source; it is in cursor"):
        line.load(Mode.INCREMENTAL)
    assert line.ods_rows() == before
    line.spec = article_spec(cursor={"columns": ["dat_mod"], "on_missing": "full"})
    line.execute("UPDATE pub.article SET \"Libelle\" = 'sans date' WHERE cod_art = 'A00005'")
    result = line.load(Mode.INCREMENTAL)
    assert (result.mode, result.outcome.updated) == (Mode.FULL, 1)
    assert_equal(line, table)


def test_a_dropped_table_fails_and_ods_stays(line: Line) -> None:
    """SD06"""
    from cbm_etl_assets.twin import store

    line.load()
    before = line.ods_rows()
    with line.twin.pg() as conn:
        store.drop_table(conn, "article")
    for _ in range(2):
        with pytest.raises(SourceSchemaError, match="'article' is not in schema PUB"):
            line.load(Mode.FULL)
    assert line.ods_rows() == before
    assert kinds(line) == [("missing", "article", "stopped")]


def test_not_null_added_or_removed_has_no_effect(line: Line) -> None:
    """SD08"""
    line.load()
    columns = tuple(replace(c, mandatory=not c.mandatory) for c in source_table().columns)
    table = alter(line, lambda t: replace(t, columns=columns))
    assert line.load(Mode.FULL).outcome.unchanged == 200
    follow_and_compare(line, table)
    assert kinds(line) == []


def test_an_added_column_adds_no_version(line: Line) -> None:
    """HI06"""
    line.spec = article_spec(history=True)
    line.load()
    alter(line, added(column("cod_tva", "integer", "integer")))
    line.execute("UPDATE pub.article SET cod_tva = 7")
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL
    count = "SELECT count(*), count(DISTINCT cod_art), count(*) FILTER (cod_tva = 7) FROM ods.article_history WHERE _valid_to IS NULL"
    assert line.platform.warehouse.query(count).rows == [(200, 200, 200)]
    assert line.platform.warehouse.query("SELECT count(*) FROM ods.article_history").rows == [(200,)]
    line.load(Mode.FULL)
    assert line.platform.warehouse.query("SELECT count(*) FROM ods.article_history").rows == [(200,)]


def test_a_retyped_column_adds_no_version(line: Line) -> None:
    """HI06"""
    line.spec = article_spec(history=True)
    alter(line, added(column("nb", "integer", "integer")))
    line.execute("UPDATE pub.article SET nb = right(cod_art, 5)::int")
    line.spec = spec_with({"name": "nb", "type": "integer"}, history=True)
    line.load()
    alter(line, retyped("nb", "varchar(10)", "character", 10), start=added(column("nb", "integer", "integer"))(source_table()))
    for mode in (Mode.INCREMENTAL, Mode.INCREMENTAL, Mode.FULL):
        assert line.load(mode).outcome.updated == 0
    assert line.platform.warehouse.query("SELECT count(*) FROM ods.article_history").rows == [(200,)]


def test_a_frozen_table_reports_additions_and_stops_on_the_rest(line: Line) -> None:
    line.spec = article_spec(drift="freeze")
    line.load()
    table = alter(line, added(column("cod_tva", "integer", "integer")))
    assert line.load(Mode.INCREMENTAL).mode is Mode.INCREMENTAL
    assert "cod_tva" not in ods_types(line)
    assert kinds(line) == [("added", "cod_tva", "reported")]
    alter(line, retyped("qte", "decimal(18,4)", "decimal"), start=table)
    with pytest.raises(SourceSchemaError, match=r"column 'qte' is .* and the table is frozen"):
        line.load(Mode.INCREMENTAL)
    assert ods_types(line)["qte"] == "DECIMAL(12,3)"


def test_a_column_the_spec_leaves_out_from_the_start_is_not_read(line: Line) -> None:
    line.spec = article_spec(columns=[c.model_dump(exclude_unset=True) for c in article_spec().columns if c.name != "qte"])
    line.load()
    assert line.load(Mode.INCREMENTAL).mode is Mode.INCREMENTAL
    assert "qte" not in ods_types(line)
    assert kinds(line) == [("undeclared", "qte", "ignored")]
    from cbm_etl_assets.twin import store

    with line.twin.pg() as conn:
        store.drop_table(conn, "article")
    with pytest.raises(SourceSchemaError):
        line.load(Mode.FULL)
    line.create(200)
    line.load(Mode.FULL)
    assert "qte" not in ods_types(line)
    rows = line.platform.control.drift_rows("article")
    assert [(row.kind, row.resolved_utc is None) for row in rows] == [("undeclared", True), ("missing", False)]


def test_a_width_that_shrinks_below_stored_values_quarantines_them(line: Line) -> None:
    """SD07"""
    line.execute("UPDATE pub.article SET \"Libelle\" = repeat('x', 25) WHERE cod_art = 'A00003'")
    line.load()
    before = line.ods_rows()
    alter(line, retyped("Libelle", "varchar(20)", "character", 20))
    result = line.load(Mode.FULL)
    assert (result.outcome.quarantined, result.outcome.deleted) == (1, 0)
    assert line.ods_rows() == before
    assert kinds(line) == [("narrowed", "Libelle", "reported")]


def test_another_odbc_database_is_compared_only_where_its_shape_changed(line: Line) -> None:
    """Its catalogue functions are slow: one look at an empty result decides whether they are asked."""
    from unittest.mock import patch

    from cbm_etl_assets.source.odbc import OdbcSource

    line.source_options = {"connection_string": line.twin.plain_odbc, "dialect": "ansi"}
    line.spec = article_spec(source_schema="pub")
    with patch.object(OdbcSource, "catalogue", side_effect=AssertionError("asked")):
        for mode in (Mode.FULL, Mode.INCREMENTAL):
            line.load(mode)
    table = alter(line, added(column("cod_tva", "integer", "integer")))
    line.execute("UPDATE pub.article SET cod_tva = 7")
    assert line.load(Mode.INCREMENTAL).mode is Mode.FULL
    assert_equal(line, table)
    assert line.load(Mode.INCREMENTAL).mode is Mode.INCREMENTAL
    assert ("added", "cod_tva", "loaded") in kinds(line)
    line.execute("DROP TABLE pub.article")
    with pytest.raises(SourceSchemaError, match="article"):
        line.load(Mode.FULL)


def test_the_packaged_specs_are_what_the_erp_declares(line: Line) -> None:
    """No table of the demo drifts from the start."""
    from cbm_etl_assets.metadata.catalog import load_catalog
    from cbm_etl_assets.pipeline.drift import preview
    from cbm_etl_assets.settings import PACKAGE_DIR
    from cbm_etl_assets.twin import store
    from cbm_etl_assets.twin.erp.schema import erp_tables

    with line.twin.pg() as conn:
        for table in erp_tables():
            store.create_table(conn, table, indexes=False)
    for spec in load_catalog(PACKAGE_DIR / "tables").values():
        drift = preview(line.platform, spec, is_first=False)
        assert (drift.rows, drift.spec is spec) == ((), True), spec.name
