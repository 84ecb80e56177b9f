"""Moving house: a line that ran on one warehouse goes on with another, from where it stood."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.errors import BusyError, WarehouseError
from cbm_etl_assets.pipeline.move import House, MoveStatus, move_table
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets_tests.line_fixture import Line, article_spec
from cbm_etl_assets_tests.tsql.live import tsql_parser
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database", "tsql_parser"]
START = dt.datetime(2026, 2, 1)
WAYS = [("duckdb", "postgresql"), ("postgresql", "duckdb"), ("duckdb", "sqlserver"), ("sqlserver", "duckdb")]


@dataclasses.dataclass
class Moving:
    """A line on the old warehouse, and the new one; `line.platform` is on the old until `enter`."""

    line: Line
    new: Any
    settings: Settings

    @property
    def house(self) -> House:
        return House(self.settings, self.line.platform.control, self.line.platform.warehouse, self.new)

    def enter(self) -> None:
        """The same home, source and control database, with the new warehouse."""
        old: Platform = self.line.platform
        self.line.__dict__["platform"] = dataclasses.replace(old, warehouse=self.new, settings=self.settings)

    def put(self, key: str, label: str, hours: int) -> None:
        self.line.put(key, label, START + dt.timedelta(hours=hours))


def build(old: str, new: str, request: pytest.FixtureRequest, twin: TwinHandle, home: Path) -> Moving:
    line = Line(twin, home, article_spec(history=True), warehouse=warehouse_of(old, request, home))
    line.create(200)
    request.addfinalizer(line.platform.warehouse.close)  # the old one, also when the line has moved
    settings = line.settings().model_copy(update={"warehouse": warehouse_of(new, request, home)})
    return Moving(line, registry.create(settings), settings)


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]} to {way[1]}")
def moving(request: pytest.FixtureRequest, clean_twin: TwinHandle, tmp_path: Path) -> Iterator[Moving]:
    old, new = request.param
    made = build(old, new, request, clean_twin, tmp_path)
    with closing(made.line), closing(made.new):
        yield made


@pytest.fixture
def pilot(request: pytest.FixtureRequest, clean_twin: TwinHandle, tmp_path: Path) -> Iterator[Moving]:
    made = build("duckdb", "postgresql", request, clean_twin, tmp_path)
    with closing(made.line), closing(made.new):
        yield made


def lived_in(moving: Moving) -> None:
    """Versions, a tombstone, a key that came back and one that will be read again."""
    line = moving.line
    line.load()
    moving.put("A00001", "second version", 1)
    line.execute("DELETE FROM pub.article WHERE cod_art IN ('A00007', 'A00008')")
    line.load(Mode.FULL)
    moving.put("A00008", "back \t 'quoted' é", 3)
    line.execute("INSERT INTO pub.article VALUES ('NULLS', NULL, NULL, NULL, NULL), ('', '', '', 0, timestamp '2026-02-02')")
    line.load(Mode.INCREMENTAL)
    line.assert_equal()


def test_the_next_incremental_goes_on_where_the_old_warehouse_stood(moving: Moving) -> None:
    line = moving.line
    lived_in(moving)
    before = line.platform.warehouse.state("article")
    versions = line.platform.warehouse.query("SELECT count(*) FROM ods.article_history").rows[0][0]
    moved = move_table(moving.house, line.spec)
    assert (moved.status, moved.rows["current"], moved.rows["history"]) == (MoveStatus.COPIED, 202, versions)
    after = moving.new.state("article")
    assert (after.last_applied_seq, after.last_full_seq, after.watermark, after.hash_columns) == (
        before.last_applied_seq, before.last_full_seq, before.watermark, before.hash_columns,
    )  # fmt: skip
    assert moving.new.left_over() == []
    moving.enter()
    line.assert_equal()
    nothing = line.load(Mode.INCREMENTAL)
    assert (nothing.outcome.inserted, nothing.outcome.updated, nothing.outcome.resurrected) == (0, 0, 0)
    moving.put("Z1", "new", 40)
    moving.put("A00002", "changed", 41)
    only = line.load(Mode.INCREMENTAL)
    assert (only.outcome.inserted, only.outcome.updated) == (1, 1)
    assert only.outcome.read < 10
    assert only.seq > before.last_applied_seq
    assert verify(line.platform, line.spec).equal
    full = line.load(Mode.FULL)
    assert (full.outcome.unchanged, full.outcome.deleted) == (full.outcome.read, 0)


def test_a_second_copy_finds_everything_there_and_issues_no_number(pilot: Moving) -> None:
    lived_in(pilot)
    move_table(pilot.house, pilot.line.spec)
    issued = pilot.new.state("article").last_issued_seq
    assert move_table(pilot.house, pilot.line.spec).status is MoveStatus.PRESENT
    assert pilot.new.state("article").last_issued_seq == issued


def test_a_column_the_source_has_no_more_and_an_empty_table_move_too(pilot: Moving) -> None:
    line = pilot.line
    lived_in(pilot)
    line.spec = article_spec(history=True, columns=[c.model_dump(exclude_unset=True) for c in line.spec.columns if c.name != "gencod-v"])
    assert move_table(pilot.house, line.spec).status is MoveStatus.COPIED
    kept = "SELECT cod_art, gencod_v FROM ods.article WHERE gencod_v IS NOT NULL ORDER BY cod_art"
    assert pilot.new.query(kept).rows == line.platform.warehouse.query(kept).rows != []
    line.spec = article_spec(target="vide", filter="cod_art = 'nowhere'")
    line.load(Mode.FULL)
    assert move_table(pilot.house, line.spec).rows == {"current": 0, "recheck": 0}
    assert move_table(pilot.house, line.spec).status is MoveStatus.PRESENT


def test_a_target_behind_is_brought_up_and_one_ahead_is_not_set_back_unasked(pilot: Moving) -> None:
    line = pilot.line
    lived_in(pilot)
    move_table(pilot.house, line.spec)
    pilot.put("Z1", "the pilot went on", 42)
    line.load(Mode.INCREMENTAL)
    assert move_table(pilot.house, line.spec).status is MoveStatus.COPIED
    back = dataclasses.replace(pilot.house, old=pilot.new, new=line.platform.warehouse)
    assert move_table(back, line.spec).status is MoveStatus.PRESENT
    old = line.platform.warehouse
    pilot.enter()
    pilot.put("Z2", "production went on", 43)
    line.load(Mode.INCREMENTAL)
    again = House(pilot.settings, line.platform.control, old, pilot.new)
    with pytest.raises(WarehouseError, match=r"(?s)postgresql is ahead of duckdb: last applied seq .*--replace"):
        move_table(again, line.spec)
    assert move_table(dataclasses.replace(again, set_back=True), line.spec).status is MoveStatus.COPIED
    assert line.load(Mode.INCREMENTAL).outcome.inserted == 1
    line.assert_equal()


def test_a_copy_killed_half_way_changes_nothing_and_the_next_one_heals(pilot: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    lived_in(pilot)
    take_over = type(pilot.new).take_over
    monkeypatch.setattr(type(pilot.new), "take_over", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        move_table(pilot.house, pilot.line.spec)
    assert pilot.new.columns("article") == {}
    assert pilot.new.left_over() != []
    monkeypatch.setattr(type(pilot.new), "take_over", take_over)
    assert move_table(pilot.house, pilot.line.spec).status is MoveStatus.COPIED
    assert pilot.new.left_over() == []


def test_what_arrives_otherwise_is_not_called_copied(pilot: Moving, monkeypatch: pytest.MonkeyPatch) -> None:
    """One digit of one row of history, and one technical column."""
    import psycopg

    lived_in(pilot)
    take_over = type(pilot.new).take_over
    text = pilot.settings.warehouse.connection_string
    assert text is not None
    for damage, column in (
        ("UPDATE ods.article_history SET qte = qte + 0.001 WHERE cod_art = 'A00001' AND _valid_to IS NULL", "history differs in qte"),
        ("UPDATE ods.article SET _load_seq = _load_seq + 1 WHERE cod_art = 'A00003'", "current differs in cbm_load_seq"),
        ("DELETE FROM ods.article WHERE _is_deleted", "current has 202 and 201 rows"),
    ):

        def harmed(self: object, transfer: object, damage: str = damage) -> None:
            take_over(self, transfer)
            with psycopg.connect(text.get_secret_value(), autocommit=True) as connection:
                connection.execute(damage)

        monkeypatch.setattr(type(pilot.new), "take_over", harmed)
        with pytest.raises(WarehouseError, match=column):
            move_table(pilot.house, pilot.line.spec)


def test_a_table_under_load_is_busy(pilot: Moving) -> None:
    lived_in(pilot)
    quick = pilot.settings.model_copy(update={"load": pilot.settings.load.model_copy(update={"table_wait_seconds": 0.1})})
    held = pilot.line.platform.control.lock("article", "a load", wait_seconds=0, ttl_seconds=60)
    with held, pytest.raises(BusyError):
        move_table(dataclasses.replace(pilot.house, settings=quick), pilot.line.spec)


def test_what_the_other_warehouse_cannot_hold_is_named(pilot: Moving) -> None:
    import duckdb

    lived_in(pilot)
    with closing(duckdb.connect(str(pilot.line.home / "warehouse.duckdb"))) as connection:
        connection.execute("""UPDATE ods.article SET "Libelle" = 'a' || chr(0) || 'b' WHERE cod_art = 'A00005'""")
    with pytest.raises(WarehouseError, match=r"column 'Libelle' holds a text with the character U\+0000"):
        move_table(pilot.house, pilot.line.spec)
    assert pilot.new.columns("article") == {}


def test_a_table_never_loaded_and_one_without_key_or_history(pilot: Moving) -> None:
    assert move_table(pilot.house, pilot.line.spec).status is MoveStatus.EMPTY
    pilot.line.spec = article_spec(primary_key=[], cursor=None, partition=None)
    pilot.line.load()
    moved = move_table(pilot.house, pilot.line.spec)
    assert moved.rows == {"current": 200}
    pilot.enter()
    assert pilot.line.load(Mode.FULL).outcome.unchanged == 200
