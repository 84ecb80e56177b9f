"""The SELECT of an extraction: quoted, bound, sargable, and the right rows."""

from __future__ import annotations

import datetime as dt

from cbm_etl_assets.metadata.spec import ColumnSpec
from cbm_etl_assets.source.dialects import DIALECTS, for_driver, profile_of
from cbm_etl_assets.source.port import ReadRange
from cbm_etl_assets.source.query import build_bounds, build_select, ordered, split_ranges
from cbm_etl_assets_tests.unit.source.specs import client, hisprixa

OPENEDGE, ANSI = DIALECTS["openedge"], DIALECTS["ansi"]
NOON = dt.datetime(2026, 3, 1, 12, 30)


def test_a_full_read_names_its_columns_quoted_and_takes_no_lock() -> None:
    query = build_select(client(), ReadRange(), OPENEDGE)
    assert query.sql == 'SELECT "cod_cli", "gencod-v", "dat_mod", "dat_crt" FROM "PUB"."client" WITH (NOLOCK)'
    assert query.parameters == ()


def test_ansi_has_no_hint() -> None:
    assert "NOLOCK" not in build_select(client(), ReadRange(), ANSI).sql


def test_any_cursor_column_qualifies_a_row_and_null_cursors_are_read() -> None:
    query = build_select(client(), ReadRange(lower=NOON), ANSI)
    assert query.sql.endswith('WHERE ("dat_mod" >= ? OR "dat_crt" >= ? OR ("dat_mod" IS NULL AND "dat_crt" IS NULL))')
    assert query.parameters == ("2026-03-01 12:30:00",) * 2


def test_null_cursors_stay_out_when_told() -> None:
    query = build_select(client(), ReadRange(lower=NOON, include_nulls=False), ANSI)
    assert "IS NULL" not in query.sql


def test_a_full_read_without_null_cursors_reads_the_others() -> None:
    query = build_select(client(), ReadRange(include_nulls=False), ANSI)
    assert query.sql.endswith('WHERE ("dat_mod" IS NOT NULL OR "dat_crt" IS NOT NULL)')


def test_a_partition_is_half_open_for_every_column() -> None:
    query = build_select(client(), ReadRange(dt.datetime(2026, 3, 1), dt.datetime(2026, 3, 2), include_nulls=False), ANSI)
    assert query.sql.endswith('WHERE (("dat_mod" >= ? AND "dat_mod" < ?) OR ("dat_crt" >= ? AND "dat_crt" < ?))')
    assert query.parameters == ("2026-03-01 00:00:00", "2026-03-02 00:00:00") * 2


def test_the_first_partition_is_open_below_and_takes_nulls() -> None:
    query = build_select(client(), ReadRange(None, dt.datetime(2026, 3, 2)), ANSI)
    assert query.sql.endswith('WHERE ("dat_mod" < ? OR "dat_crt" < ? OR ("dat_mod" IS NULL AND "dat_crt" IS NULL))')


def test_a_date_cursor_reads_the_whole_day_again() -> None:
    query = build_select(hisprixa(), ReadRange(lower=NOON), OPENEDGE)
    assert query.sql.endswith('WHERE ("dat_px" >= CAST(? AS DATE) OR ("dat_px" IS NULL))')
    assert query.parameters == ("2026-03-01",)


def test_a_date_cursor_with_an_upper_bound_inside_a_day_reads_that_day_to_its_end() -> None:
    assert build_select(hisprixa(), ReadRange(upper=NOON), ANSI).parameters == ("2026-03-02",)
    assert build_select(hisprixa(), ReadRange(upper=dt.datetime(2026, 3, 1)), ANSI).parameters == ("2026-03-01",)


def test_the_filter_stands_in_parentheses() -> None:
    query = build_select(client(filter="a = 1 OR b = 2"), ReadRange(lower=NOON), ANSI)
    assert 'WHERE (a = 1 OR b = 2) AND ("dat_mod" >= ?' in query.sql


def test_microseconds_survive() -> None:
    query = build_select(client(), ReadRange(lower=NOON.replace(microsecond=1)), ANSI)
    assert query.parameters[0] == "2026-03-01 12:30:00.000001"


def test_an_aware_cursor_is_bounded_with_its_offset() -> None:
    aware = {"table": "t", "columns": [{"name": "c", "type": "timestamptz"}], "cursor": {"columns": ["c"]}, "primary_key": []}
    autumn = dt.datetime(2026, 10, 25, 2, 30)  # this hour passes twice: +02:00, then +01:00
    query = build_select(client(**aware), ReadRange(autumn, autumn, include_nulls=False), ANSI)
    assert query.parameters == ("2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00")


def test_a_quote_in_a_name_cannot_end_it() -> None:
    spec = client(columns=[{"name": 'a" FROM x --', "type": "integer"}], primary_key=[], cursor=None)
    assert build_select(spec, ReadRange(), ANSI).sql.startswith('SELECT "a"" FROM x --" FROM')


def test_split_parts_cover_every_row_once() -> None:
    column = ColumnSpec(name="cod_cli", type="integer")
    parts = split_ranges(column, 1, 101, 4)
    assert [(p.lower, p.upper) for p in parts] == [(None, "26"), ("26", "51"), ("51", "76"), ("76", None)]
    first = build_select(client(), ReadRange(), OPENEDGE, parts[0])
    last = build_select(client(), ReadRange(), OPENEDGE, parts[-1])
    assert first.sql.endswith('WHERE ("cod_cli" < CAST(? AS INTEGER) OR "cod_cli" IS NULL)')
    assert last.sql.endswith('WHERE ("cod_cli" >= CAST(? AS INTEGER))')
    assert last.parameters == ("76",)


def test_what_cannot_be_divided_is_read_in_one_piece() -> None:
    column = ColumnSpec(name="c", type="varchar(5)")
    assert split_ranges(column, "a", "z", 4) == []
    assert split_ranges(column, None, None, 4) == []
    assert split_ranges(column, 5, 5, 4) == []
    assert [p.upper for p in split_ranges(column, dt.date(2026, 1, 1), dt.date(2026, 1, 3), 2)] == ["2026-01-02", None]
    assert [p.upper for p in split_ranges(column, 1, 2, 4)] == ["1", None]


def test_bounds_come_from_both_ends_of_the_index() -> None:
    assert build_bounds(client(), "cod_cli", OPENEDGE).sql == (
        'SELECT MIN("cod_cli") AS a, MAX("cod_cli") AS b FROM "PUB"."client" WITH (NOLOCK)'
    )


def test_a_driver_that_damages_dates_is_given_the_servers_text() -> None:
    psqlodbc = for_driver(ANSI, profile_of("DRIVER=/usr/lib/psqlodbcw.so;"))
    query = build_select(client(), ReadRange(lower=NOON, include_nulls=False), psqlodbc)
    assert query.sql.startswith('SELECT "cod_cli", "gencod-v", CAST("dat_mod" AS VARCHAR(40)) AS "dat_mod", CAST(')
    assert '"dat_mod" >= ?' in query.sql, "the predicate stays sargable"
    assert ordered(query, client(), "dat_mod", psqlodbc).sql.endswith(' ORDER BY "PUB"."client"."dat_mod"'), (
        "its values' order, not the text's"
    )
    assert ordered(query, client(), "cod_cli", psqlodbc).sql.endswith(' ORDER BY "cod_cli"')
    assert for_driver(ANSI, profile_of("DRIVER={ODBC Driver 18 for SQL Server};")) is ANSI
    assert for_driver(OPENEDGE, profile_of("DRIVER=/usr/lib/psqlodbcw.so;")) is OPENEDGE
