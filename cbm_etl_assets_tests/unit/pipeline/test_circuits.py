"""Circuit breakers around real loads (lake, DuckDB, SQLite): what counts, who is refused, who probes, what closes them."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.errors import (
    CircuitOpenError,
    ConnectionCapError,
    RecordLockError,
    SourceError,
    TransientSourceError,
    TransientWarehouseError,
)
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.pipeline import circuits
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.preflight import preflight
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.reliability.breaker import Breaker, BreakerState, probing
from cbm_etl_assets.reliability.retry import Clockwork
from cbm_etl_assets.settings import BreakerSettings, SourceSettings
from cbm_etl_assets_tests.unit.pipeline.kit import TableSource, load, platform_of, raw_table

SPEC = TableSpec(table="t", primary_key=("id",), columns=(ColumnSpec(name="id", type="integer"),))
START = dt.datetime(2026, 11, 21, 8, 0, tzinfo=dt.UTC)


@dataclass
class World:
    """A platform whose clock stands until the test moves it; sleeping moves it too."""

    platform: Platform
    source: TableSource
    at: dt.datetime = START
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += dt.timedelta(seconds=seconds)

    def monotonic(self) -> float:
        return (self.at - START).total_seconds()

    def say(self, error: Callable[[], BaseException] | None) -> None:
        """What the source's clock answers: the first thing a load asks for."""

        def clock() -> dt.datetime:
            if error is not None:
                raise error()
            return self.at.replace(tzinfo=None)

        def answer(_sql: str) -> Any:
            clock()
            return raw_table(SPEC, [])

        self.source.now, self.source.answer = clock, answer

    @property
    def state(self) -> BreakerState:
        return self.platform.control.breakers()["source"].state

    def log(self) -> list[tuple[str, str]]:
        rows = self.platform.control.query("SELECT Status, ErrorClass FROM etl.ETL_Log ORDER BY LogId")
        return [(str(r["Status"]), str(r["ErrorClass"])) for r in rows]

    def fails(self, times: int, kind: type[BaseException] = TransientSourceError) -> None:
        self.say(lambda: TransientSourceError("nobody answers, PWD=hunter2;"))
        for _ in range(times):
            with pytest.raises(kind):
                load(self.platform, SPEC)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    platform, source = platform_of(tmp_path, SPEC)
    source.tables["t"] = raw_table(SPEC, [(1,), (2,)])
    made = World(platform, source)
    settings = platform.settings.model_copy(update={
        "source": SourceSettings(retries=0), "breaker": BreakerSettings(failures=3, cool_down_seconds=60),
    })  # fmt: skip
    clockwork = Clockwork(sleep=made.sleep, monotonic=made.monotonic)
    made.platform = replace(platform, settings=settings, now=lambda: made.at, clockwork=clockwork)
    made.say(None)
    yield made
    made.platform.close()


def test_it_opens_refuses_probes_and_closes(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "cbm_etl_assets.pipeline.circuits")
    world.fails(3)
    world.say(None)  # well again, and nobody knows
    with pytest.raises(CircuitOpenError) as refused:
        load(world.platform, SPEC)
    message = str(refused.value)
    assert "open since 2026-11-21 08:00:00 UTC" in message
    assert "asked again from 2026-11-21 08:01:00 UTC" in message
    assert "TransientSourceError: nobody answers" in message
    assert "cbm-etl breaker reset source" in message
    assert refused.value.exit_code == 1
    assert "hunter2" not in message
    assert world.source.extractions == 0
    world.at += dt.timedelta(seconds=60)
    assert load(world.platform, SPEC).outcome.inserted == 2
    assert world.state is BreakerState.CLOSED
    assert world.log() == [("failed", "TransientSourceError")] * 3 + [("failed", "CircuitOpenError"), ("success", "None")]
    said = [r.getMessage() for r in caplog.records if r.name == circuits.__name__]
    assert [("opened" in s, "closed" in s) for s in said] == [(True, False), (False, True)]
    assert "hunter2" not in "".join(said)


def test_a_failed_probe_keeps_it_open_for_another_cool_down(world: World) -> None:
    world.fails(3)
    world.at += dt.timedelta(seconds=60)
    world.fails(1, CircuitOpenError)
    world.say(None)
    world.at += dt.timedelta(seconds=59)
    with pytest.raises(
        CircuitOpenError, match="open since 2026-11-21 08:00:00 UTC, asked again from 2026-11-21 08:02:00 UTC; 4 outages in a row"
    ):
        load(world.platform, SPEC)
    world.at += dt.timedelta(seconds=1)
    load(world.platform, SPEC)


def test_a_success_between_forgets_what_was_counted(world: World) -> None:
    world.fails(2)
    world.say(None)
    load(world.platform, SPEC)
    world.fails(2)
    assert world.state is BreakerState.CLOSED


@pytest.mark.parametrize("error", [RecordLockError("held"), ConnectionCapError("all in use"), SourceError("no such table")], ids=repr)
def test_what_a_living_source_says_is_no_outage(world: World, error: Exception) -> None:
    world.say(lambda: error)
    for _ in range(4):
        with pytest.raises(type(error)):
            load(world.platform, SPEC)
    assert world.platform.control.breakers() == {}


def test_retries_of_one_load_are_one_outage(world: World) -> None:
    settings = world.platform.settings.model_copy(update={"source": SourceSettings(retries=3, retry_delay_seconds=1)})
    world.platform = replace(world.platform, settings=settings)
    world.fails(1)
    assert world.platform.control.breakers()["source"].failures == 1


def test_the_warehouse_has_its_own(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(_table: str) -> Any:
        raise TransientWarehouseError("the file stayed locked")

    with monkeypatch.context() as patch:
        patch.setattr(world.platform.warehouse, "acquire", locked)
        for _ in range(3):
            with pytest.raises(TransientWarehouseError):
                load(world.platform, SPEC)
    with pytest.raises(CircuitOpenError, match="circuit breaker of the warehouse"):
        load(world.platform, SPEC)
    world.at += dt.timedelta(seconds=60)
    load(world.platform, SPEC)
    assert world.platform.control.breakers().keys() == {"warehouse"}


def test_who_finds_another_probing_waits_for_its_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.fails(3)
    world.say(None)
    world.at += dt.timedelta(seconds=60)
    now = world.at.replace(tzinfo=None)
    assert world.platform.control.change_breaker("source", lambda seen: probing(seen, now)) is not None
    with pytest.raises(CircuitOpenError, match="another process is asking it just now"):
        load(world.platform, SPEC)
    assert sum(world.slept) == pytest.approx(circuits.WAIT_SECONDS)

    def closes(seconds: float) -> None:
        world.platform.control.change_breaker("source", lambda seen: replace(seen, state=BreakerState.CLOSED))

    world.platform = replace(world.platform, clockwork=replace(world.platform.clockwork, sleep=closes))
    assert load(world.platform, SPEC).outcome.inserted == 2


def test_verify_obeys_it_and_counts_once(world: World) -> None:
    load(world.platform, SPEC)
    world.say(lambda: TransientSourceError("gone"))
    for _ in range(3):
        with pytest.raises(TransientSourceError):
            verify(world.platform, SPEC)
    assert world.platform.control.breakers()["source"].failures == 3
    with pytest.raises(CircuitOpenError):
        verify(world.platform, SPEC)


def test_preflight_shows_it_and_is_not_stopped(world: World) -> None:
    def check() -> Any:
        return {c.name: c for c in preflight(world.platform, [])}["breaker"]

    assert check().status == "ok"
    world.fails(3)
    found = check()
    assert (found.status, "open since" in found.detail) == ("warn", True)
    assert world.platform.control.breakers()["source"].failures == 3


def test_zero_switches_it_off(world: World) -> None:
    world.fails(3)
    settings = world.platform.settings.model_copy(update={"breaker": BreakerSettings(failures=0)})
    world.platform = replace(world.platform, settings=settings)
    world.say(None)
    assert load(world.platform, SPEC).outcome.inserted == 2


def test_a_closed_breaker_costs_one_statement_and_no_write(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    load(world.platform, SPEC)
    asked: list[str] = []
    read = world.platform.control.breakers

    def counted() -> Mapping[str, Breaker]:
        asked.append("read")
        return read()

    monkeypatch.setattr(world.platform.control, "breakers", counted)
    monkeypatch.setattr(world.platform.control, "change_breaker", lambda *_: asked.append("write"))
    load(world.platform, SPEC)
    assert asked == ["read"]
