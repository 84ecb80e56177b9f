"""Acceptance cases of the semantics that no other room has a test for: each is named after its case. docs/semantics.md maps them all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.errors import DamagedWarehouseError, MassDeleteError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.batch import load_tables
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode, Status
from cbm_etl_assets_tests.dict_source import START, Article, DictSource, dict_platform
from cbm_etl_assets_tests.line_fixture import article_spec
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.unit.pipeline import kit

pytestmark = pytest.mark.integration
HOUR = dt.timedelta(hours=1)


class Replica:
    """`article` with history, fed from a dictionary."""

    def __init__(self, home: Path, *specs: TableSpec) -> None:
        self.specs = specs or (article_spec(history=True),)
        self.platform: Platform
        self.source: DictSource
        self.platform, self.source = dict_platform(home, *self.specs)

    def put(self, key: str, label: str | None = "x", modified: dt.datetime | None = START - HOUR) -> None:
        self.source.rows[key.lower()] = Article(key, label, Decimal(1), modified)

    def load(self, mode: Mode = Mode.FULL, *partitions: str) -> LoadResult:
        result = load_table(self.platform, self.specs[0], LoadOptions(mode, partitions, allow_mass_delete=True))
        assert result.outcome.read == result.outcome.accounted
        self.source.now += HOUR
        return result

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.platform.warehouse.query(sql).rows

    def labels(self, table: str = "article") -> dict[str, Any]:
        return dict(self.query(f'SELECT cod_art, "Libelle" FROM ods.{table} WHERE NOT _is_deleted'))

    def versions(self, key: str) -> list[tuple[Any, ...]]:
        found = self.query('SELECT cod_art, "Libelle", _valid_from, _valid_to FROM ods.article_history ORDER BY _valid_from')
        return [row[1:] for row in found if row[0] == key]


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Replica]:
    made = Replica(tmp_path)
    yield made
    made.platform.close()


def test_ls10_loads_with_nothing_to_do_rewrite_nothing(replica: Replica) -> None:
    replica.put("a")
    replica.put("b", None, None)
    replica.load()
    before = replica.query("SELECT * FROM ods.article ORDER BY ALL"), replica.query("SELECT * FROM ods.article_history ORDER BY ALL")
    for mode in (Mode.FULL, Mode.INCREMENTAL, Mode.SWEEP, Mode.FULL):
        outcome = replica.load(mode).outcome
        assert outcome.read == outcome.unchanged
    after = replica.query("SELECT * FROM ods.article ORDER BY ALL"), replica.query("SELECT * FROM ods.article_history ORDER BY ALL")
    assert after == before


def test_ls14_a_change_in_the_last_of_320_columns_is_seen(tmp_path: Path) -> None:
    names = [f"c{i:03d}" for i in range(320)]
    spec = make_spec(table="wide", primary_key=["c000"], cursor=None, columns=[{"name": n, "type": "integer"} for n in names])
    platform, source = kit.platform_of(tmp_path, spec)
    rows = [[key, *range(1, 320)] for key in range(400)]
    source.tables["wide"] = kit.raw_table(spec, rows)
    assert kit.load(platform, spec).outcome.inserted == 400
    rows[217][-1] = None
    source.tables["wide"] = kit.raw_table(spec, rows)
    outcome = kit.load(platform, spec).outcome
    assert (outcome.updated, outcome.unchanged) == (1, 399)
    assert platform.warehouse.query("SELECT c000 FROM ods.wide WHERE c319 IS NULL").rows == [(217,)]
    platform.close()


def test_ls19_two_partitions_backfilled_in_parallel(replica: Replica) -> None:
    for day in (3, 4):
        for n in range(20):
            replica.put(f"{day}-{n}", modified=dt.datetime(2026, 1, day, n))
    before = replica.load().watermark
    for row in list(replica.source.rows.values()):
        replica.source.rows[row.key] = replace(row, label="changé")
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda key: replica.load(Mode.PARTITION, key), ("2026-01-03", "2026-01-04")))
    assert [(r.outcome.updated, r.watermark) for r in done] == [(20, before)] * 2
    assert set(replica.labels().values()) == {"changé"}


def test_hi03_two_changes_between_two_loads_are_one_version(replica: Replica) -> None:
    replica.put("a", "first", START - 2 * HOUR)
    replica.load()
    replica.put("a", "never seen", START)
    replica.put("a", "last", START + HOUR / 2)
    replica.load(Mode.INCREMENTAL)
    changed = START + HOUR / 2
    assert replica.versions("a") == [("first", START - 2 * HOUR, changed), ("last", changed, None)]


def test_hi04_a_change_and_its_undoing_between_two_loads_are_none(replica: Replica) -> None:
    replica.put("a", "first")
    replica.load()
    before = replica.source.rows["a"]
    replica.put("a", "undone", START)
    replica.source.rows["a"] = before
    assert replica.load(Mode.INCREMENTAL).outcome.unchanged == 1
    assert replica.versions("a") == [("first", START - HOUR, None)]


def test_de02_a_key_changed_and_used_again(replica: Replica) -> None:
    replica.put("a", "one")
    replica.put("b", "two")
    replica.load()
    replica.source.rows.pop("a")
    replica.put("c", "one", START)
    replica.load(Mode.INCREMENTAL)
    assert replica.labels() == {"a": "one", "b": "two", "c": "one"}, "the new key is live at once, the old one waits for a full load"
    replica.load(Mode.FULL)
    assert replica.labels() == {"b": "two", "c": "one"}
    replica.put("a", "somebody else", replica.source.now)
    replica.load(Mode.INCREMENTAL)
    assert replica.labels() == {"a": "somebody else", "b": "two", "c": "one"}
    gone, back = replica.versions("a")
    assert gone[2] <= back[1]
    assert back[2] is None


def test_de07_a_purged_row_that_comes_back_is_live_again(replica: Replica) -> None:
    replica.put("a")
    replica.put("b")
    replica.load()
    gone = replica.source.rows.pop("a")
    assert replica.load().outcome.deleted == 1
    later = replica.platform.now().replace(tzinfo=None) + dt.timedelta(days=1)
    assert replica.platform.warehouse.purge(replica.specs[0], later) == 1
    assert replica.query("SELECT cod_art FROM ods.article") == [("b",)]
    replica.source.rows["a"] = gone
    assert replica.load().outcome.inserted == 1
    assert replica.labels() == {"a": "x", "b": "x"}
    assert [end is None for _, _, end in replica.versions("a")] == [False, True]


def test_co02_different_tables_at_once(tmp_path: Path) -> None:
    replica = Replica(tmp_path, *(article_spec(target=name) for name in ("one", "two", "three")))
    for n in range(50):
        replica.put(f"k{n}", f"label {n}")
    results = load_tables(replica.platform, replica.specs, LoadOptions(Mode.FULL), threads=3)
    assert [r.status for r in results] == [Status.SUCCESS] * 3, [r.error_message for r in results]
    expected = {f"k{n}": f"label {n}" for n in range(50)}
    assert all(replica.labels(name) == expected for name in ("one", "two", "three"))
    replica.platform.close()


def test_co03_a_backfill_and_an_incremental_at_once(replica: Replica) -> None:
    for day in range(1, 9):
        replica.put(f"d{day}", modified=dt.datetime(2026, 1, day, 12))
    replica.load()
    replica.put("d2", "late", dt.datetime(2026, 1, 2, 13))
    replica.put("d9", "new", START)
    with ThreadPoolExecutor(2) as pool:
        backfill = pool.submit(replica.load, Mode.PARTITION, "2026-01-02")
        incremental = pool.submit(replica.load, Mode.INCREMENTAL)
        backfill.result()
        assert incremental.result().watermark == START
    assert replica.platform.warehouse.state("article").watermark == START, "not moved back"
    assert replica.labels() == {r.key: r.label for r in replica.source.rows.values()}


@pytest.mark.parametrize("label", ["padded    ", "  both  ", "a\x00b", "", "é€😀", "\u00a0", "a;b;c", "\\N", "\x80\x9f"])
def test_tf20_tf23_text_is_kept_as_delivered_and_stable(replica: Replica, label: str) -> None:
    replica.put("a", label)
    replica.load()
    assert replica.labels() == {"a": label}
    assert replica.load().outcome.unchanged == 1


def test_tf25_an_array_kept_as_one_text_is_kept_as_delivered(tmp_path: Path) -> None:
    columns: list[dict[str, Any]] = [{"name": "id", "type": "integer"}]
    columns.append({"name": "px", "type": "decimal(9,2)", "extent": 3, "explode": False, "sql_width": 40})
    spec = make_spec(table="prices", primary_key=["id"], cursor=None, columns=columns)
    platform, source = kit.platform_of(tmp_path, spec)
    source.tables["prices"] = kit.raw_table(spec, [(1, "a;b;c"), (2, "1.50;?;~;"), (3, None)])
    kit.load(platform, spec)
    assert platform.warehouse.query("SELECT id, px FROM ods.prices ORDER BY id").rows == [(1, "a;b;c"), (2, "1.50;?;~;"), (3, None)]
    platform.close()


def test_a_bad_row_is_kept_and_retried_until_it_is_good(replica: Replica) -> None:
    """Its stamp lies behind every watermark: only the quarantine makes an incremental read it again."""

    def waiting() -> list[str]:
        return [e.state for e in replica.platform.control.quarantine_entries("article")]

    replica.put("a", "one", dt.datetime(2026, 1, 2))
    replica.put("b")
    replica.load()
    replica.source.rows["a"] = replace(replica.source.rows["a"], bad=True)
    for mode in (Mode.FULL, Mode.FULL, Mode.INCREMENTAL):
        assert replica.load(mode).outcome.quarantined == 1
        assert (waiting(), replica.labels()) == (["open"], {"a": "one", "b": "x"}), "the last good version stays"
    replica.put("a", "two", dt.datetime(2026, 1, 2))
    assert replica.load(Mode.INCREMENTAL).outcome.updated == 1
    assert (waiting(), replica.labels()) == (["healed"], {"a": "two", "b": "x"})


def test_cf15_a_damaged_warehouse_file_is_refused_and_left_as_it_is(replica: Replica) -> None:
    replica.put("a")
    replica.load()
    path = replica.platform.settings.warehouse_path
    damaged = b"no database" + path.read_bytes()[11:]
    path.write_bytes(damaged)
    with pytest.raises(DamagedWarehouseError, match="nothing was overwritten") as refused:
        replica.load()
    assert "backup" in refused.value.remedy
    assert path.read_bytes() == damaged


def test_de03_an_emptied_source_does_not_empty_ods_through_the_second_look(replica: Replica) -> None:
    """All rows were stamped just before the last read, so the incremental reads all of them again by key, and finds none."""
    for n in range(60):
        replica.put(f"k{n}", modified=START - dt.timedelta(minutes=1))
    replica.load()
    replica.source.rows.clear()
    with pytest.raises(MassDeleteError, match="delivered 0 rows and ODS holds 60") as refused:
        load_table(replica.platform, replica.specs[0], LoadOptions(Mode.INCREMENTAL))
    assert "cbm-etl run article --mode incremental --allow-mass-delete" in refused.value.remedy
    assert len(replica.labels()) == 60
    assert replica.load(Mode.INCREMENTAL).outcome.deleted == 60


def test_de04_a_mass_gone_at_the_second_look_is_refused(replica: Replica) -> None:
    for n in range(100):
        replica.put(f"k{n}", modified=START - dt.timedelta(minutes=1))
    replica.load()
    for n in range(51):
        replica.source.rows.pop(f"k{n}")
    with pytest.raises(MassDeleteError, match=r"51 of 100 rows \(51.0 %\) are gone"):
        load_table(replica.platform, replica.specs[0], LoadOptions(Mode.INCREMENTAL))
    replica.put("k0", modified=START - dt.timedelta(minutes=1))
    assert load_table(replica.platform, replica.specs[0], LoadOptions(Mode.INCREMENTAL)).outcome.deleted == 50
