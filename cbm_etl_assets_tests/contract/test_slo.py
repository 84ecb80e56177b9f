"""Objectives measured from a real journal, on every control database: freshness as the semantics define it, restarts, views."""

from __future__ import annotations

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cbm_etl_assets.control.port import Control, LogEnd, LogStart, QualityRow
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.objectives import measure
from cbm_etl_assets.slo.breaches import slo_breaches
from cbm_etl_assets.slo.model import Severity, Slo, SloSnapshot, State
from cbm_etl_assets_tests.control_fixture import START, ControlKit, control, control_postgres
from cbm_etl_assets_tests.specs import make_spec

__all__ = ["control", "control_postgres"]  # fixtures

SCHEDULE = {"cron": "0 2 * * *", "timezone": "UTC"}
HOUR = dt.timedelta(hours=1)


def specs(*names: str, **changes: Any) -> dict[str, TableSpec]:
    return {name: make_spec(table=name, **({"schedule": SCHEDULE} | changes)) for name in names}


def load(
    control: Control, table: str, at: dt.datetime, mode: str = "incremental", status: str = "success", error: str = "", seconds: float = 30
) -> None:
    log = control.start_log(LogStart(str(uuid.uuid4()), table, mode, "", at))
    control.end_log(log, LogEnd(status, at + dt.timedelta(seconds=seconds), error_class=error, mode=mode))


def seen(kit: ControlKit, catalog: dict[str, TableSpec], now: dt.datetime | None = None) -> SloSnapshot:
    return measure(kit.store, catalog, kit.settings, now or kit.clock())


def test_loads_stopped_two_days_ago_and_backfills_of_today_are_stale(control: ControlKit) -> None:
    """Acceptance 6: partitions, sweeps and repairs make nothing fresh."""
    load(control.store, "client", START - 48 * HOUR)
    for mode in ("partition", "sweep", "repair"):
        load(control.store, "client", START - HOUR, mode)
    found = seen(control, specs("client")).get(Slo.FRESHNESS, "client")
    assert (found.state, found.measured) == (State.BREACH, pytest.approx(48))


def test_no_new_rows_on_a_sunday_but_loaded_this_morning_is_fresh(control: ControlKit) -> None:
    """Acceptance 6: no row was read, and the old high-water mark is none of freshness' business."""
    sunday = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
    at = sunday - 7 * HOUR
    log = control.store.start_log(LogStart(str(uuid.uuid4()), "client", "incremental", "", at))
    rows = {"read": 0, "inserted": 0, "updated": 0}
    control.store.end_log(log, LogEnd("success", at + dt.timedelta(seconds=3), rows=rows, high_water=dt.datetime(2026, 11, 20, 18, 0)))
    found = seen(control, specs("client"), sunday).get(Slo.FRESHNESS, "client")
    assert (found.state, found.measured) == (State.OK, pytest.approx(7))


def test_a_failed_load_makes_nothing_fresh_and_never_loaded_is_stale(control: ControlKit) -> None:
    load(control.store, "client", START - 40 * HOUR, "full")
    load(control.store, "client", START - HOUR, status="failed", error="SourceError")
    found = seen(control, specs("client", "stock"))
    assert found.get(Slo.FRESHNESS, "client").measured == pytest.approx(40)
    assert found.get(Slo.FRESHNESS, "stock").state is State.BREACH
    assert [(b.key, b.severity) for b in slo_breaches(found) if b.kind == "freshness"] == [
        ("slo:freshness:client", Severity.PAGE), ("slo:freshness:stock", Severity.TICKET),
    ]  # fmt: skip


def test_slots_failures_cancellations_and_quality_from_the_journal(control: ControlKit) -> None:
    store = control.store
    for day in range(1, 31):
        two = START.replace(hour=2, minute=0) - dt.timedelta(days=day)
        if day not in (3, 4):
            load(store, "client", two + dt.timedelta(seconds=5), status="failed" if day == 10 else "success", error="X" * (day == 10))
    load(store, "client", START - 5 * HOUR, status="failed", error="KeyboardInterrupt")
    found = seen(control, specs("client"))
    slots, errors = found.get(Slo.AVAILABILITY, "client"), found.get(Slo.ERROR_RATE)
    assert (slots.bad, errors.bad, errors.total) == (4, 1, 27)  # no load on two days, a failed one, and a cancelled one today
    assert slots.total == 30  # the load of 30 days and 6 hours ago is out of the window
    assert found.get(Slo.LATENCY).total == 4
    assert found.get(Slo.LATENCY).state is State.NO_DATA
    assert found.get(Slo.QUALITY).state is State.NO_DATA


def test_a_slot_is_promised_since_the_schedule_is_known(control: ControlKit) -> None:
    """A table declared today owes nothing for last month, nor does one whose cron changed today."""
    catalog = specs("client")
    assert seen(control, catalog).get(Slo.AVAILABILITY).total == 0
    control.clock.forward(days=2, hours=1)
    assert seen(control, catalog).get(Slo.AVAILABILITY).bad == 2
    changed = specs("client", schedule=SCHEDULE | {"cron": "*/5 * * * *"})
    assert seen(control, changed).get(Slo.AVAILABILITY).total == 0
    off = specs("client", schedule=SCHEDULE | {"enabled": False})
    control.clock.forward(days=3)
    assert seen(control, off).get(Slo.AVAILABILITY).total == 0


def test_a_restart_keeps_since_when_and_changes_nothing_else(control: ControlKit) -> None:
    catalog = specs("client")
    load(control.store, "client", START - 30 * HOUR)
    first = seen(control, catalog)
    assert first.get(Slo.FRESHNESS, "client").since_utc == START
    control.store.close()
    control.store = control.open()
    control.clock.forward(hours=1)
    second = seen(control, catalog)
    assert second.get(Slo.FRESHNESS, "client").since_utc == START  # WARN as before
    control.clock.forward(hours=6)
    third = seen(control, catalog).get(Slo.FRESHNESS, "client")
    assert (third.state, third.since_utc) == (State.BREACH, control.clock())


def test_views_answer_with_the_spelling_people_query(control: ControlKit) -> None:
    now = dt.datetime.now(dt.UTC)  # vw_SLO_Freshness compares with the database's own clock
    control.clock.at = now
    load(control.store, "client", now - 48 * HOUR)
    load(control.store, "client", now - HOUR, "partition")
    load(control.store, "stock", now - HOUR, "full")
    seen(control, specs("client", "stock", "tva"))
    platform = {r["SloName"]: r for r in control.store.query("SELECT * FROM etl.vw_SLO")}
    assert set(platform) == {s.value for s in Slo}
    assert {"SLOStatus", "Measured", "BudgetLeftPercent", "P50Value", "SinceUtc"} <= set(platform["latency"])
    assert len(control.store.query("SELECT * FROM etl.vw_SLO_Tables")) == 15
    fresh = {r["TableName"]: r for r in control.store.query("SELECT * FROM etl.vw_SLO_Freshness")}
    assert {n: r["FreshnessStatus"] for n, r in fresh.items()} == {"client": "BREACH", "stock": "OK", "tva": "BREACH"}
    assert float(str(fresh["client"]["HoursOld"])) == pytest.approx(48, abs=0.1)


def test_a_warning_burns_no_quality_budget(control: ControlKit) -> None:
    verdicts = ["VALID"] * 90 + ["WARNING"] * 9 + ["FAILED"] + ["SKIPPED"] * 5
    rows = [QualityRow("r", "client", 1, "ods", "", f"rule {i}", "not_null", "nom", "", "WARN", False, v, 10, 1, 10.0, "[]", 0.1, "")
            for i, v in enumerate(verdicts)]  # fmt: skip
    control.store.add_quality(rows)
    found = seen(control, specs("client"), control.clock.forward(seconds=1)).get(Slo.QUALITY)
    assert (found.total, found.bad, found.measured, found.state) == (100, 1, 99.0, State.OK)


def test_not_recorded_writes_no_evaluation(control: ControlKit) -> None:
    control.store.upgrade()
    measure(control.store, specs("client"), control.settings, control.clock(), record=False)
    assert control.store.query("SELECT * FROM etl.SLO_Status") == []


def test_processes_that_evaluate_at_once_do_not_fail(control: ControlKit) -> None:
    """The sensor, a scrape of the CLI and a person: the last one's evaluation stands, whole."""
    catalog = specs("client", "stock", "tva")
    load(control.store, "client", START - HOUR)
    stores = [control.open() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda s: [measure(s, catalog, control.settings, START) for _ in range(5)], stores))
    assert all(one.get(Slo.FRESHNESS, "client").measured == pytest.approx(1) for many in found for one in many)
    assert len(control.store.query("SELECT * FROM etl.SLO_Status")) == 20
    assert len(control.store.query("SELECT * FROM etl.SLO_Schedule")) == 3
