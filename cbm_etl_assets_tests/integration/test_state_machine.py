"""Random life of a source against a dictionary: the real lake, DuckDB, control database and pipeline must agree with the model.

After every load ODS, tombstones, history, watermark, row counts and leftovers equal the model's; kills strike at every seam.
CI: a few examples, the same ones at every run. Nightly: HYPOTHESIS_PROFILE=nightly, 200 examples x 50 steps, new ones each time.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from cbm_etl_assets.errors import MassDeleteError, TransientSourceError
from cbm_etl_assets.lake.publication import Publication
from cbm_etl_assets.metadata.catalogue import SourceColumn
from cbm_etl_assets.metadata.partitions import bounds, partition_keys
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets.pipeline.stage import StagedRows
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.source.port import ReadRange
from cbm_etl_assets.warehouse.dialects.duckdb import DuckDbWarehouse
from cbm_etl_assets.warehouse.dialects.duckdb_apply import DuckDbApply
from cbm_etl_assets_tests.dict_source import START, Article, dict_platform, normal
from cbm_etl_assets_tests.line_fixture import article_spec, source_table
from cbm_etl_assets_tests.replica_model import ReplicaModel

pytestmark = [pytest.mark.integration, pytest.mark.slow]

LOOKBACK = dt.timedelta(hours=2)
MEMORY = next((d for d in ("/dev/shm",) if os.access(d, os.W_OK)), None)  # every load syncs its files: on a disk that is most of the time
KEYS = ("a1", "B2", "c3", "D4 ", "é5", "f6")
# key, label, quantity in eighths, which of the stamps of `put`
ROW = st.tuples(st.sampled_from(KEYS), st.sampled_from([None, "", "x", "y"]), st.integers(0, 3), st.integers(0, 9))
QUIET: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
PROFILES = {
    "ci": settings(max_examples=8, stateful_step_count=25, derandomize=True, **QUIET),
    # The mutation check only asks whether a failure is found, not for its smallest form.
    "unshrunk": settings(max_examples=8, stateful_step_count=25, derandomize=True, phases=[Phase.generate], **QUIET),
    "nightly": settings(max_examples=200, stateful_step_count=50, **QUIET),
}
# Where a run may end, and whether its data had been committed by then.
SEAMS = {
    "clock": False, "extract": False, "probe": False, "before publish": False, "after publish": False, "after staging": False,
    "before apply": False, "before commit": False, "after commit": True, "log": True,
}  # fmt: skip
MERGING = ("before apply", "before commit")


class Killed(BaseException):
    """The process ends here. Not an Exception: nothing may handle it."""


def around(original: Callable[..., Any], before: Callable[[], None], after: Callable[[], None]) -> Callable[..., Any]:
    def wrapper(*arguments: Any, **named: Any) -> Any:
        before()
        answer = original(*arguments, **named)
        after()
        return answer

    return wrapper


def article(row: Mapping[str, Any]) -> Article:
    return Article(row["cod_art"], row["Libelle"], row["qte"], row["dat_mod"], row.get("nb"))


def rows_of(connection: duckdb.DuckDBPyConnection, table: str) -> list[dict[str, Any]]:
    found = connection.execute(f"SELECT * FROM ods.{table} ORDER BY ALL")
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@dataclass(frozen=True)
class Seen:
    """What the warehouse holds; `state` is (watermark, was loaded in full)."""

    tables: frozenset[str] = frozenset()
    ods: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    state: tuple[dt.datetime | None, bool] = (None, False)

    def articles(self, *, deleted: bool = False) -> dict[str, Article]:
        found = [article(row) for row in self.ods if row["_is_deleted"] is deleted]
        by_key = {normal(row.key): row for row in found}
        assert len(by_key) == len(found), "one row per key"
        return by_key


class Replication(RuleBasedStateMachine):
    """`source.rows` is the truth, `model` what the replica must be, `platform` what it is."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="cbm-model-", dir=MEMORY))
        self.model = ReplicaModel(LOOKBACK)
        self.armed = ""
        self.flaky = False
        self.dirty: tuple[str, Article | None] | None = None
        self.width = 30

    @initialize(history=st.sampled_from([True, True, False]))
    def open(self, history: bool) -> None:
        self.spec = article_spec(history=history)
        self.platform, self.source = dict_platform(self.home, self.spec)
        self.source.at = self.reach

    def teardown(self) -> None:
        try:
            if hasattr(self, "platform"):
                self.last_words()
                self.platform.close()
        finally:
            shutil.rmtree(self.home)

    def last_words(self) -> None:
        """One full load makes source and ODS equal whatever came before; a second one has nothing to do."""
        self.load(Mode.FULL)
        before = self.look()
        outcome = self.run(LoadOptions(Mode.FULL, allow_mass_delete=True)).outcome
        assert outcome.read == outcome.unchanged + outcome.quarantined == len(self.source.rows)
        seen = self.look()
        assert (seen.ods, seen.history) == (before.ods, before.history), (
            "invariant 2: a run with nothing to do changes no row, no stamp, no version"
        )

    # -- the life of the source ---------------------------------------------------------------------------------------

    @rule(rows=st.lists(ROW, min_size=1, max_size=6))
    def put(self, rows: list[tuple[str, str | None, int, int]]) -> None:
        """Insert, update or bring back, stamped now, late, at the very bounds of the next read, in the future or not at all."""
        mark = self.model.watermark or self.source.now
        stamps = (
            self.source.now, mark, mark - LOOKBACK, mark - LOOKBACK - dt.timedelta(microseconds=1),
            self.source.now - dt.timedelta(minutes=29), self.source.now - dt.timedelta(minutes=31), dt.datetime(2026, 1, 5),
            dt.datetime(2020, 5, 5), dt.datetime(2999, 1, 1), None,
        )  # fmt: skip
        for key, label, qte, age in rows:
            spelled = self.source.rows[normal(key)].key if normal(key) in self.source.rows else key
            self.source.rows[normal(key)] = Article(spelled, label, Decimal(qte) / 8, stamps[age], qte if self.model.has_nb else None)

    @rule(key=st.sampled_from(KEYS), mended=st.booleans())
    def break_value(self, key: str, mended: bool) -> None:
        """A label that cannot be converted, or again one that can: unstamped, as a repair at the source often is."""
        if row := self.source.rows.get(normal(key)):
            self.source.rows[normal(key)] = replace(row, bad=not mended)

    @precondition(lambda self: self.model.knows_nb is not None)
    @rule(given=st.integers(0, 3))
    def column_comes_or_goes(self, given: int) -> None:
        """Found in the rows at once, stamped nowhere."""
        self.model.has_nb = not self.model.has_nb
        self.shape()
        for key, row in self.source.rows.items():
            self.source.rows[key] = replace(row, nb=given if self.model.has_nb else None)
        if self.dirty and self.dirty[1]:
            self.dirty = (self.dirty[0], replace(self.dirty[1], nb=given if self.model.has_nb else None))

    @rule(width=st.sampled_from([30, 60]))
    def column_is_widened(self, width: int) -> None:
        """And narrowed again: ODS keeps the wider one, nothing is rewritten."""
        self.width = width
        self.shape()

    def shape(self) -> None:
        table = source_table(self.width)
        new = SourceColumn("nb", LogicalType.parse("integer"), "integer", order=60)
        self.source.shape = replace(table, columns=(*table.columns, new)) if self.model.has_nb else table

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=3))
    def remove(self, keys: list[str]) -> None:
        for key in keys:
            self.source.rows.pop(normal(key), None)

    @rule(key=st.sampled_from(KEYS), stamped=st.booleans())
    def respell(self, key: str, stamped: bool) -> None:
        if row := self.source.rows.get(normal(key)):
            spelled = row.key.upper() if row.key != row.key.upper() else row.key.lower().rstrip()
            self.source.rows[normal(key)] = replace(row, key=spelled, modified=self.source.now if stamped else row.modified)

    @precondition(lambda self: self.dirty is None)
    @rule(key=st.sampled_from(KEYS))
    def write_uncommitted(self, key: str) -> None:
        """An update that isolation 0 delivers before its fate is known."""
        before = self.source.rows.get(normal(key))
        self.dirty = (normal(key), before)
        nb = 9 if self.model.has_nb else None
        self.source.rows[normal(key)] = Article(before.key if before else key, "dirty", Decimal(9), self.source.now, nb)

    @precondition(lambda self: self.dirty is not None)
    @rule()
    def roll_back(self) -> None:
        key, before = self.dirty  # type: ignore[misc]
        self.dirty = None
        if before is None:
            self.source.rows.pop(key, None)
        else:
            self.source.rows[key] = before

    @rule(minutes=st.sampled_from([1, 20, 45, 180, 1500]))
    def tick(self, minutes: int) -> None:
        self.source.now += dt.timedelta(minutes=minutes)

    # -- the life of the replica --------------------------------------------------------------------------------------

    @rule()
    def full(self) -> None:
        self.load(Mode.FULL)
        good = {key: row for key, row in self.source.rows.items() if not row.bad}
        stored = self.look().articles()
        assert {k: row for k, row in stored.items() if k in good} == good, "invariant 1: after a full load, live ODS = the source as read"
        assert stored.keys() <= self.source.rows.keys()

    @rule()
    def incremental(self) -> None:
        self.load(Mode.INCREMENTAL)
        stored, mark = self.look().articles(), self.model.watermark
        for key, row in self.source.rows.items():
            if not row.bad and (row.modified is None or (mark and row.modified >= mark - LOOKBACK)):
                assert stored.get(key) == row, "invariant 1: every row with c >= W-L and every row with c NULL"

    @precondition(lambda self: self.model.complete)
    @rule()
    def sweep(self) -> None:
        self.load(Mode.SWEEP)
        assert self.look().articles().keys() <= self.source.rows.keys()

    @rule(first=st.integers(1, 12), days=st.integers(1, 12))
    def backfill(self, first: int, days: int) -> None:
        start = dt.date(2026, 1, first)
        self.load(Mode.PARTITION, tuple(partition_keys(self.spec.partition, start, start + dt.timedelta(days=days - 1))))  # type: ignore[arg-type]

    @rule()
    def replay(self) -> None:
        """The keys of the quarantine alone, and those a dirty read may have shown."""
        self.load(Mode.PARTITION, replay=True)

    @precondition(lambda self: self.model.knows_nb is not None and not (self.model.has_nb and not self.model.knows_nb))
    @rule()
    def verify(self) -> None:
        """The certificate agrees with the model: what differs is named or pending, nothing else is, and no news is called damage."""
        source, mark = self.source.rows, self.model.watermark
        # A column the source has no more is not compared: ODS keeps what it held of it.
        held = {key: row if self.model.has_nb else replace(row, nb=None) for key, row in self.model.live.items()}
        aside = {key for key, row in source.items() if row.bad} | self.model.quarantine
        differing = {key for key in (source.keys() | held.keys()) - aside if source.get(key) != held.get(key)}
        found = verify(self.platform, self.spec)
        named = {normal(str(difference.key[0])) for difference in found.keys}
        assert found.equal == (not named)
        assert named <= differing, "what is equal is not named"
        assert len(named) + found.pending == len(differing), "what differs is named or pending"
        for key in named:
            stamp = source[key].modified if key in source else None
            assert stamp is not None, "a deleted row, and one without a stamp, come with the next load"
            assert mark is None or stamp <= mark, "a row stamped after the watermark comes with the next incremental"
        self.model.repair((k for k in differing & source.keys() if source[k].modified is None), source, self.source.now)
        self.assert_agreement()

    @rule(mode=st.sampled_from([Mode.FULL, Mode.INCREMENTAL, Mode.SWEEP, Mode.PARTITION]), seam=st.sampled_from(list(SEAMS)))
    def killed(self, mode: Mode, seam: str) -> None:
        if mode is Mode.SWEEP and not self.model.complete:
            return
        self.armed = seam
        self.load(mode, ("2026-01-01", "2026-01-02") if mode is Mode.PARTITION else ())
        self.armed = ""

    @rule(mode=st.sampled_from([Mode.FULL, Mode.INCREMENTAL]))
    def link_lost_once(self, mode: Mode) -> None:
        self.flaky = True
        self.load(mode)
        assert not self.flaky

    # -- one load beside its model ------------------------------------------------------------------------------------

    def load(self, asked: Mode, partitions: tuple[str, ...] = (), replay: bool = False) -> None:
        mode = self.model.mode(asked)
        reading = self.reading(mode, partitions, replay)
        if mode in (Mode.FULL, Mode.SWEEP) and not self.source.rows and self.model.live and not self.armed:
            with pytest.raises(MassDeleteError):
                self.run(LoadOptions(asked))
            self.assert_agreement()
        source, now = dict(self.source.rows), self.source.now
        try:
            result = self.run(LoadOptions(asked, partitions, allow_mass_delete=True, replay=replay))
        except Killed:
            self.after_the_kill(mode, reading, source, now)
            self.assert_agreement()
            return
        counts = self.model.load(mode, reading, source, now)
        assert result.mode is mode
        assert result.outcome.read == result.outcome.accounted, "invariant 7"
        assert Counter(asdict(result.outcome)) == counts
        assert result.watermark == self.model.watermark
        self.assert_agreement()
        self.assert_nothing_left()

    def reading(self, mode: Mode, partitions: tuple[str, ...], replay: bool) -> ReadRange | None:
        if not partitions:
            return None if replay else self.model.range(mode)
        lower, upper = bounds(self.spec.partition, partitions)  # type: ignore[arg-type]
        return ReadRange(lower, upper, include_nulls=lower is None)

    def after_the_kill(self, mode: Mode, reading: ReadRange | None, source: dict[str, Article], now: dt.datetime) -> None:
        """Its data is there or not; bad rows are known before the merge and forgotten only after it."""
        if SEAMS[self.armed]:
            self.model.load(mode, reading, source, now, heals=False)
        elif self.armed in MERGING and mode is not Mode.SWEEP:
            self.model.quarantine |= {key for key, row in self.model.delivered(mode, reading, source)[0].items() if row.bad}

    def run(self, options: LoadOptions) -> LoadResult:
        reach = self.reach
        nothing = lambda: None  # noqa: E731
        with (
            patch.object(Publication, "publish",
                         around(Publication.publish, lambda: reach("before publish"), lambda: reach("after publish"))),
            patch.object(StagedRows, "stage", around(StagedRows.stage, nothing, lambda: reach("after staging"))),
            patch.object(DuckDbApply, "_remember", around(DuckDbApply._remember, nothing, lambda: reach("before commit"))),
            patch.object(DuckDbWarehouse, "apply",
                         around(DuckDbWarehouse.apply, lambda: reach("before apply"), lambda: reach("after commit"))),
            patch.object(type(self.platform.control), "end_log",
                         around(type(self.platform.control).end_log, lambda: reach("log"), nothing)),
        ):  # fmt: skip
            return load_table(self.platform, self.spec, options)

    def reach(self, seam: str) -> None:
        if self.flaky and seam == "extract":
            self.flaky = False
            raise TransientSourceError("the link was cut")
        if seam == self.armed:
            raise Killed(seam)

    # -- agreement ----------------------------------------------------------------------------------------------------

    def look(self) -> Seen:
        """Everything the warehouse holds of the table, by one connection of the test's own."""
        path = self.platform.settings.warehouse_path
        if not path.exists():
            return Seen()
        with duckdb.connect(path, read_only=True) as connection:
            listed = "SELECT table_name FROM duckdb_tables() WHERE schema_name IN ('ods', 'stg')"
            tables = frozenset(row[0] for row in connection.execute(listed).fetchall())
            ods, history = (rows_of(connection, name) if name in tables else [] for name in ("article", "article_history"))
            state = connection.execute("SELECT watermark, last_full_seq > 0 FROM stg._cbm_state").fetchall()
        return Seen(tables, ods, history, state[0] if state else (None, False))

    def assert_agreement(self) -> None:
        seen = self.look()
        assert seen.articles(deleted=False) == self.model.live
        assert seen.articles(deleted=True) == self.model.deleted
        assert seen.state == (self.model.watermark, self.model.complete), "state and data agree"
        open_keys = {e.row.key_json for e in self.platform.control.quarantine_entries("article") if e.state == "open"}
        assert {normal(json.loads(key)["cod_art"]) for key in open_keys} == self.model.quarantine
        if self.spec.history:
            self.assert_history(seen)

    def assert_history(self, seen: Seen) -> None:
        versions: dict[str, list[tuple[Any, ...]]] = {}
        for row in sorted(seen.history, key=lambda r: (r["_valid_from"], r["cod_art"])):
            versions.setdefault(normal(row["cod_art"]), []).append((article(row), row["_valid_from"], row["_valid_to"]))
        for key, tiles in versions.items():
            assert all(start < end for _, start, end in tiles if end is not None), "half-open, never empty"
            assert all(a[2] is not None and a[2] <= b[1] for a, b in pairwise(tiles)), "no overlap"
            assert (tiles[-1][2] is None) == (key in self.model.live), "one open version for a live key, none for a deleted one"
        expected = {k: [(v.row, v.valid_from, v.valid_to) for v in tiles] for k, tiles in self.model.versions.items()}
        assert versions == expected

    def assert_nothing_left(self) -> None:
        assert not [n for n in self.look().tables if n.startswith("article__")], "staging tables"
        raw = self.home / "lake" / "raw" / "article"
        assert not [p.name for p in raw.glob("*") if not (p / "manifest.json").exists()], "unpublished folders"
        open_rows = self.platform.control.query("SELECT LogId FROM etl.ETL_Log WHERE Status = 'started'")
        assert not open_rows, "a successful load closes what killed ones left open"


def test_the_replica_agrees_with_the_model() -> None:
    """Invariants 1, 2, 4, 5, 7; HI05; LS18."""
    run_state_machine_as_test(Replication, settings=PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")])


def test_the_clock_of_the_model_starts_after_the_first_partition() -> None:
    assert START.date() > article_spec().partition.start  # type: ignore[union-attr]
