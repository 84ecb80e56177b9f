"""The ERP in a real PostgreSQL: what was generated is what is stored, and a mutation does what it reports."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest
from psycopg import Connection, sql

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.twin.erp.draw import World
from cbm_etl_assets.twin.erp.generate import generate_world
from cbm_etl_assets.twin.erp.load import load_erp, load_world
from cbm_etl_assets.twin.erp.mutate import Key, Mutation, TableMutation, mutate
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, blueprint, erp_table
from cbm_etl_assets_tests.integration.twin.erp.conftest import TODAY

pytestmark = pytest.mark.integration
TABLES = tuple(BLUEPRINTS)
SMALL = World(seed=1, counts=dict.fromkeys(TABLES, 400), today=TODAY)
NOW = dt.datetime(2026, 3, 31, 14, 5, 9)
Rows = dict[Key, tuple[Any, ...]]


def _rows(conn: Connection[Any], table: str) -> Rows:
    names = [c.name for c in erp_table(table).columns]
    found = conn.execute(
        sql.SQL("SELECT {} FROM pub.{}").format(sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table))
    ).fetchall()
    places = [names.index(k) for k in blueprint(table).key]
    return {tuple(row[i] for i in places): row for row in found}


@pytest.fixture
def fresh(erp: Connection[Any], request: pytest.FixtureRequest) -> Connection[Any]:
    """The table under test as generated, whatever an earlier test did to it; 400 rows, as 4,000 of 613 columns take seconds."""
    load_world(erp, SMALL, tables=[request.getfixturevalue("table")])
    return erp


@pytest.mark.parametrize("table", TABLES)
def test_stored_rows_are_the_generated_ones(fresh: Connection[Any], table: str) -> None:
    stored = _rows(fresh, table)
    generated = pl.concat(list(generate_world(table, SMALL, chunk_rows=150)))
    assert len(stored) == generated.height == 400
    assert set(stored.values()) == set(generated.rows())


@pytest.mark.parametrize("table", TABLES)
def test_indexes_stand_in_the_catalogue_and_in_the_server(fresh: Connection[Any], table: str) -> None:
    described = fresh.execute(
        "SELECT i.name, i.is_unique FROM cbm_twin.indexes i JOIN cbm_twin.tables t ON t.id = i.table_id WHERE t.name = %s", (table,)
    ).fetchall()
    assert dict(described) == {i.name: i.unique for i in erp_table(table).indexes}
    real = fresh.execute("SELECT count(*) FROM pg_indexes WHERE schemaname = 'pub' AND tablename = %s", (table,)).fetchone()
    assert real == (sum(not i.word for i in erp_table(table).indexes),)


def _difference(before: Rows, after: Rows) -> TableMutation:
    both = before.keys() & after.keys()
    return TableMutation(
        "",
        updated=frozenset(k for k in both if before[k] != after[k]),
        inserted=frozenset(after.keys() - before.keys()),
        deleted=frozenset(before.keys() - after.keys()),
    )


@pytest.mark.parametrize("table", TABLES)
def test_a_mutation_changes_exactly_what_it_reports(fresh: Connection[Any], table: str) -> None:
    before = _rows(fresh, table)
    report = mutate(fresh, Mutation(percent=1, inserts=0.2, deletes=0.3, late_rows=4, dirty=3), now=NOW, tables=[table]).tables[table]
    seen = _difference(before, _rows(fresh, table))
    assert seen.updated == report.updated | report.late | report.dirty
    assert seen.inserted == report.inserted
    assert seen.deleted == report.deleted
    rows = len(before)
    assert report.counts() == {
        "updated": round(rows / 100),
        "late": 4 if blueprint(table).modified else 0,
        "dirty": 3,
        "deleted": 1,
        "inserted": 1,
    }


@pytest.mark.parametrize("table", [t for t in TABLES if blueprint(t).modified])
def test_cursors_find_what_changed(fresh: Connection[Any], table: str) -> None:
    report = mutate(fresh, Mutation(late_rows=2), now=NOW, tables=[table]).tables[table]
    plan, names = blueprint(table), [c.name for c in erp_table(table).columns]
    after = _rows(fresh, table)

    def cursor(key: Key) -> dt.date:
        day: dt.date = max(v for c in (plan.modified, plan.created) if c and (v := after[key][names.index(c)]))
        return day

    assert {cursor(k) for k in report.updated | report.inserted} == {NOW.date()}
    assert {cursor(k) for k in report.late} == {NOW.date() - dt.timedelta(days=1)}
    stamped = sum(NOW.date() in (row[names.index(c)] for c in (plan.modified, plan.created) if c) for row in after.values())
    assert stamped == len(report.updated | report.inserted)


@pytest.mark.parametrize(("table", "expected"), [("client", 14 * 3600 + 5 * 60 + 9), ("entetcli", "14:05:09")])
def test_the_time_of_day_is_written_in_the_table_s_own_form(fresh: Connection[Any], table: str, expected: object) -> None:
    report = mutate(fresh, Mutation(), now=NOW, tables=[table]).tables[table]
    place = [c.name for c in erp_table(table).columns].index("hr_mod")
    after = _rows(fresh, table)
    assert {after[k][place] for k in report.updated | report.inserted} == {expected}


@pytest.mark.parametrize("table", ["produit", "hisprixa"])
def test_undo_takes_a_dirty_update_back_cursor_included(fresh: Connection[Any], table: str) -> None:
    before = _rows(fresh, table)
    report = mutate(fresh, Mutation(percent=0, inserts=0, dirty=20), now=NOW, tables=[table])
    assert _difference(before, _rows(fresh, table)).updated == report.tables[table].dirty
    assert report.undo(fresh) == 20
    assert _rows(fresh, table) == before


@pytest.mark.parametrize("table", TABLES)
def test_mutations_follow_each_other_and_repeat_from_the_same_seed(fresh: Connection[Any], table: str) -> None:
    reports = [mutate(fresh, Mutation(seed=seed), now=NOW, tables=[table]).tables[table] for seed in (1, 2, 3)]
    assert reports[0].updated != reports[1].updated
    assert not reports[0].inserted & reports[1].inserted
    load_world(fresh, SMALL, tables=[table])
    assert mutate(fresh, Mutation(seed=1), now=NOW, tables=[table]).tables[table] == reports[0]


@pytest.mark.parametrize("table", ["fournis"])
def test_too_much_is_refused_and_nothing_changes(fresh: Connection[Any], table: str) -> None:
    before = _rows(fresh, table)
    with pytest.raises(ConfigurationError, match="does not fit 400 rows"):
        mutate(fresh, Mutation(percent=90, deletes=20), now=NOW, tables=[table])
    assert _rows(fresh, table) == before


@pytest.mark.parametrize("table", ["client"])
def test_over_width_text_is_stored_whole(fresh: Connection[Any], table: str) -> None:
    assert load_erp(fresh, today=TODAY, tables=[table], over_width=True) == {"client": 1500}
    assert fresh.execute("SELECT count(*), max(length(nom_cli)) FROM pub.client WHERE length(nom_cli) > 40").fetchone() == (2, 65)
