"""Outages of the source and of the warehouse as an operator meets them: the real driver, the real file, real processes."""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.errors import CircuitOpenError, TransientSourceError, TransientWarehouseError
from cbm_etl_assets.metadata.writer import spec_to_yaml
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadEvent, LoadOptions, Mode
from cbm_etl_assets.reliability.breaker import Breaker, BreakerPolicy, BreakerState, failed
from cbm_etl_assets.reliability.retry import Clockwork
from cbm_etl_assets.settings import WarehouseSettings
from cbm_etl_assets.source.pool import WorkerPool
from cbm_etl_assets.warehouse.dialects.duckdb import DuckDbWarehouse
from cbm_etl_assets_tests.line_fixture import Line

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
FULL = LoadOptions(Mode.FULL)
# A machine that is busy with other tests may give a healthy reader no turn for a second or two.
STALL_SECONDS = 5
HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


def _command(line: Line, arguments: tuple[str, ...], source: str) -> tuple[list[str], dict[str, str]]:
    tables = line.home / "tables"
    tables.mkdir(exist_ok=True)
    (tables / "article.yaml").write_text(spec_to_yaml(line.spec), encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CBM_", "DAGSTER_"))} | {
        "CBM_HOME": str(line.home), "CBM_TABLES_DIR": str(tables), "CBM_SOURCE__CONNECTION_STRING": source, "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    return [sys.executable, "-m", "cbm_etl_assets.cli.app", *arguments], environment


def cli(line: Line, *arguments: str, source: str) -> subprocess.CompletedProcess[str]:
    command, environment = _command(line, arguments, source)
    return subprocess.run(command, env=environment, cwd=line.home, capture_output=True, text=True, check=False)


@contextmanager
def start_cli(line: Line, *arguments: str, source: str) -> Iterator[subprocess.Popen[bytes]]:
    """It is gone when the block ends."""
    command, environment = _command(line, arguments, source)
    process = subprocess.Popen(command, env=environment, cwd=line.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_cf11_a_source_down_for_five_runs_opens_the_breaker_and_a_probe_closes_it(line: Line) -> None:
    dead = line.twin.odbc.replace(f"PORT={line.twin.port}", "PORT=1")
    assert dead != line.twin.odbc
    source = line.settings().source.model_copy(update={"connection_string": SecretStr(dead), "retries": 0})
    settings = line.settings().model_copy(update={"source": source})
    pool = WorkerPool()
    try:
        for _ in range(5):
            down = open_platform(settings, {}, pool)
            with pytest.raises(TransientSourceError):
                load_table(down, line.spec, FULL)
            down.close()
    finally:
        pool.close()

    refused = cli(line, "run", "article", "--json", source=line.twin.odbc)
    error = json.loads(refused.stdout)["tables"][0]["error"]
    assert (refused.returncode, error["class"]) == (1, "CircuitOpenError")
    assert "cbm-etl breaker reset source" in error["message"]
    status = json.loads(cli(line, "breaker", "status", "--json", source=dead).stdout)
    assert [(b["resource"], b["state"]) for b in status["breakers"]] == [("source", "open"), ("warehouse", "closed")]

    later = replace(line.platform, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=301))
    assert load_table(later, line.spec, FULL).outcome.inserted == 200
    assert line.platform.control.breakers()["source"].state is BreakerState.CLOSED
    line.assert_equal()
    log = line.platform.control.query("SELECT ErrorClass FROM etl.ETL_Log ORDER BY LogId")
    assert [row["ErrorClass"] for row in log] == ["TransientSourceError"] * 5 + ["CircuitOpenError", None]


def test_a_reset_lets_the_next_run_ask_at_once(line: Line) -> None:
    error = TransientSourceError("down")
    for _ in range(5):
        line.platform.control.change_breaker("source", lambda seen: _failed(seen, error))
    with pytest.raises(CircuitOpenError):
        line.load(Mode.FULL)
    assert cli(line, "breaker", "reset", "source", source=line.twin.odbc).returncode == 0
    assert line.load(Mode.FULL).outcome.inserted == 200


def _failed(seen: Breaker, error: TransientSourceError) -> Breaker:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return failed(seen, (type(error).__name__, error.message), now, BreakerPolicy())


# -- the warehouse's file, held by another process ---------------------------------------------------------------------------


@dataclass
class Holder:
    """Another process that has the warehouse file open, as a BI tool does."""

    path: Path
    process: subprocess.Popen[str] | None = None

    def take(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(self.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "held\n"

    def give_back(self) -> None:
        if self.process is not None:
            self.process.communicate()
            self.process = None


@dataclass
class Waits:
    """Clockwork whose waits are written down and take no time; the longest of each range is taken. `during` happens in the first."""

    seconds: list[float] = field(default_factory=list)
    during: list[object] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        while self.during:
            action = self.during.pop()
            assert callable(action)
            action()

    def clockwork(self) -> Clockwork:
        return Clockwork(sleep=self.sleep, monotonic=lambda: sum(self.seconds), uniform=lambda _low, high: high)


@pytest.fixture
def holder(line: Line) -> Iterator[Holder]:
    held = Holder(line.settings().warehouse_path)
    try:
        yield held
    finally:
        held.give_back()


def impatient(line: Line, waits: Waits, retries: int) -> Platform:
    """Waits 0.2 s for the file instead of a minute."""
    warehouse = WarehouseSettings(lock_wait_seconds=0.2, retries=retries, retry_delay_seconds=5)
    settings = line.settings().model_copy(update={"warehouse": warehouse})
    opened = DuckDbWarehouse(settings.warehouse_path, now=line.platform.now, lock_wait_seconds=0.2)
    return replace(line.platform, settings=settings, warehouse=opened, clockwork=waits.clockwork())


def test_cf09_a_lock_time_out_of_the_target_is_retried_once_and_said_once(
    line: Line, holder: Holder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "cbm_etl_assets.pipeline")
    line.load(Mode.FULL)
    line.put("A00001", "changed", dt.datetime(2026, 3, 1))
    waits = Waits(during=[holder.give_back])

    def at_the_merge(event: LoadEvent) -> None:
        if event.stage == "merge" and not waits.seconds:
            holder.take()

    result = load_table(impatient(line, waits, retries=3), line.spec, FULL, at_the_merge)
    assert (result.attempts, waits.seconds, result.outcome.updated) == (2, [5.0], 1)
    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "table article: attempt 1 failed, next in 5.0 s: The warehouse file" in record.getMessage()
    line.assert_equal()
    assert line.leftovers() == []
    assert line.platform.control.breakers() == {}


def test_cf10_a_target_away_for_twenty_seconds_fails_in_bounds_and_the_next_run_heals(line: Line, holder: Holder) -> None:
    line.load(Mode.FULL)
    line.put("A00001", "changed", dt.datetime(2026, 3, 1))
    waits = Waits()
    holder.take()
    with pytest.raises(TransientWarehouseError, match="stayed locked by another process"):
        load_table(impatient(line, waits, retries=2), line.spec, FULL)
    assert waits.seconds == [5.0, 10.0], "bounded, and longer each time"
    holder.give_back()
    log = line.platform.control.query("SELECT Status, Attempts, ErrorClass FROM etl.ETL_Log ORDER BY LogId DESC")[0]
    assert tuple(log.values()) == ("failed", 3, "TransientWarehouseError")
    assert line.load(Mode.FULL).outcome.updated == 1
    line.assert_equal()
    assert line.leftovers() == []


# -- watchdogs ---------------------------------------------------------------------------------------------------------------


def fill(line: Line, rows: int) -> None:
    """Enough rows for several round trips of the driver (1,000 each): the reader is still at work when it is hit."""
    line.execute(
        "INSERT INTO pub.article SELECT 'B' || lpad(g::text, 5, '0'), 'g' || g, 'libellé', g / 8.0, timestamp '2026-01-01' "
        "FROM generate_series(1, %s) g",
        rows,
    )


def test_cf04_a_stalled_link_is_a_failed_attempt_and_the_load_goes_on(line: Line) -> None:
    line.source_options = {"stall_timeout_seconds": STALL_SECONDS}
    fill(line, 2_300)
    line.twin.set_fault("stall", "article", after_rows=1_500)
    result = line.load(Mode.FULL)
    assert (result.attempts, result.outcome.inserted) == (2, 2_500)
    line.assert_equal()
    assert line.leftovers() == []


def test_cf04_a_link_that_stays_stalled_ends_the_load_within_its_limit_and_the_next_one_heals(line: Line) -> None:
    line.source_options = {"stall_timeout_seconds": STALL_SECONDS, "retries": 1}
    fill(line, 2_300)
    line.twin.set_fault("stall", "article", after_rows=1_500, times=0)
    with pytest.raises(TransientSourceError, match=f"nothing arrived for {STALL_SECONDS} s"):
        line.load(Mode.FULL)
    assert line.leftovers() == []
    line.twin.clear_faults()
    line.close()
    patient = open_platform(Line(line.twin, line.home).settings(), {})
    try:
        assert load_table(patient, line.spec, FULL).outcome.inserted == 2_500
    finally:
        patient.close()
    line.assert_equal()


def test_a_driver_that_kills_its_own_process_is_a_failed_attempt_and_no_failed_run(line: Line) -> None:
    fill(line, 2_300)
    pool = WorkerPool()
    pool.warm()
    [worker] = pool._idle
    source = line.settings().source.model_copy(update={"batch_cells": 2_500})
    platform = open_platform(line.settings().model_copy(update={"source": source}), {}, pool)
    line.twin.set_fault("stall", "article", after_rows=2_200)
    killed: list[int] = []

    def crash(event: LoadEvent) -> None:
        if event.stage == "extract" and not killed:
            killed.append(worker.pid)
            os.kill(worker.pid, signal.SIGSEGV)
            line.twin.clear_faults()

    try:
        result = load_table(platform, line.spec, FULL, crash)
    finally:
        platform.close()
        pool.close()
    assert (len(killed), result.attempts, result.outcome.inserted) == (1, 2, 2_500)
    [row] = line.platform.control.query("SELECT Status, Attempts FROM etl.ETL_Log")
    assert tuple(row.values()) == ("success", 2)
    line.assert_equal()


def test_cf13_a_killed_run_of_the_command_line_is_shown_failed_at_once_and_the_next_one_loads(line: Line) -> None:
    fill(line, 2_300)
    line.twin.set_fault("stall", "article", after_rows=1_500)
    with start_cli(line, "run", "article", source=line.twin.odbc) as running:
        _wait_for(lambda: line.platform.control.query("SELECT 1 AS one FROM etl.ETL_Log WHERE Status = 'started'"))
        shown = json.loads(cli(line, "status", "--json", source=line.twin.odbc).stdout)["tables"][0]
        assert shown["status"] == "started", "it lives"
        running.kill()
    shown = json.loads(cli(line, "status", "--json", source=line.twin.odbc).stdout)["tables"][0]
    assert (shown["status"], shown["error"]["class"]) == ("failed", "OrphanedRun")
    line.twin.clear_faults()
    assert cli(line, "run", "article", source=line.twin.odbc).returncode == 0, "no lock is left"
    line.assert_equal()
    assert line.leftovers() == []


def _wait_for(seen: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.05)
