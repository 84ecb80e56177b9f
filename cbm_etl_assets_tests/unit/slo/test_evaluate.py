"""Numbers in, numbers out: slots, percentiles, budgets, burn windows, and what of them is told."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from pydantic import ValidationError

from cbm_etl_assets.settings import SloSettings
from cbm_etl_assets.slo.breaches import slo_breaches
from cbm_etl_assets.slo.evaluate import burns, evaluate
from cbm_etl_assets.slo.events import Events, budget_left, burn_rate, nearest_rank
from cbm_etl_assets.slo.model import Policy, Severity, Slo, SloSnapshot, State, TableEvidence
from cbm_etl_assets.slo.objectives import is_watched_alone, platform_objectives, policy, table_objectives
from cbm_etl_assets.slo.slots import expected_slots, slot_events
from cbm_etl_assets_tests.specs import make_spec

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
T = NOW.timestamp()
HOUR, DAY = 3600.0, 86400.0
OBJECTIVES = platform_objectives(SloSettings())


def evidence(**changes: object) -> TableEvidence:
    return replace(TableEvidence("client", OBJECTIVES, fresh_as_of=T - HOUR), **changes)  # type: ignore[arg-type]


def snapshot(*tables: TableEvidence, rules: Policy = Policy()) -> SloSnapshot:  # noqa: B008  frozen
    return evaluate(tables, OBJECTIVES, rules, NOW)


# --- the formulas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("percent", "expected"), [(50, 10), (95, 19), (99, 20), (100, 20), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert nearest_rank([float(i) for i in range(1, 21)], percent) == expected


def test_budget_and_burn() -> None:
    assert budget_left(1000, 0, 0.99) == 1
    assert budget_left(1000, 5, 0.99) == pytest.approx(0.5)
    assert budget_left(1000, 20, 0.99) == pytest.approx(-1)
    assert budget_left(0, 0, 0.99) is None
    assert burn_rate(100, 6, 0.99) == pytest.approx(6)
    assert burn_rate(0, 0, 0.99) == 0


def test_a_window_is_open_below_and_closed_above() -> None:
    events = Events.of([T, T - HOUR], [T - HOUR + 1, T + 1])
    assert events.count(T, HOUR) == (2, 1)


# --- availability ----------------------------------------------------------------------------------------------------


def test_slots_follow_the_wall_clock_through_the_autumn_change() -> None:
    since = dt.datetime(2026, 10, 24, 12, tzinfo=dt.UTC).timestamp()
    until = dt.datetime(2026, 10, 26, 12, tzinfo=dt.UTC).timestamp()
    found = [dt.datetime.fromtimestamp(t, dt.UTC).isoformat() for t in expected_slots("0 2 * * *", "Europe/Paris", since, until)]
    assert found == ["2026-10-25T00:00:00+00:00", "2026-10-26T01:00:00+00:00"]


def test_a_schedule_that_is_never_due_has_no_slot() -> None:
    assert expected_slots("0 2 31 2 *", "UTC", T - 30 * DAY, T) == []


def test_a_slot_is_kept_late_but_not_past_the_grace_and_running_keeps_it_open() -> None:
    slots = [T - 4 * DAY, T - 3 * DAY, T - 2 * DAY, T - 1 * DAY, T - HOUR]
    loads = [(slots[0] + 60, slots[0] + 120), (slots[1] + 7 * HOUR, slots[1] + 8 * HOUR)]
    running = [slots[2] + 60]
    found = slot_events(slots, loads, running, T, 6 * HOUR)
    assert list(found.good) == [slots[0] + 120]
    assert list(found.bad) == [slots[1] + 6 * HOUR, slots[3] + 6 * HOUR]  # the last slot still has time


def test_two_loads_keep_one_slot_and_the_next_slot_ends_it() -> None:
    slots = [T - 30 * 60, T - 20 * 60, T - 10 * 60]
    found = slot_events(slots, [(slots[0] + 1, slots[0] + 2), (slots[0] + 5, slots[0] + 6)], [], T, 6 * HOUR)
    assert list(found.good) == [slots[0] + 2]
    assert list(found.bad) == [slots[2]]


def test_a_dead_daemon_is_bad_availability_without_one_failed_run() -> None:
    slots = [T - i * HOUR for i in range(100, 0, -1)]
    kept = slot_events(slots, [(s + 1, s + 30) for s in slots[:90]], [], T, 6 * HOUR)
    status = snapshot(evidence(slots=kept)).get(Slo.AVAILABILITY)
    assert (status.total, status.bad, status.state) == (99, 9, State.BREACH)
    assert status.measured == pytest.approx(100 * 90 / 99)


# --- latency, error rate, quality ------------------------------------------------------------------------------------


def test_latency_needs_twenty_samples() -> None:
    few = tuple((T - i * HOUR, 10.0) for i in range(19))
    assert snapshot(evidence(samples=few)).get(Slo.LATENCY).state is State.NO_DATA
    enough = (*few, (T - 20 * HOUR, 200.0))
    status = snapshot(evidence(samples=enough)).get(Slo.LATENCY)
    assert (status.measured, status.p50, status.p99, status.state) == (10.0, 10.0, 200.0, State.OK)


@pytest.mark.parametrize(("seconds", "state"), [(120.0, State.OK), (121.0, State.WARN), (150.0, State.WARN), (151.0, State.BREACH)])
def test_latency_between_objective_and_alert_warns(seconds: float, state: State) -> None:
    samples = tuple((T - i * HOUR, seconds) for i in range(25))
    assert snapshot(evidence(samples=samples)).get(Slo.LATENCY).state is state


def test_a_table_with_a_latency_of_its_own_is_no_burden_to_the_platform() -> None:
    slow = table_objectives(make_spec(slo={"latency_seconds": 900, "latency_alert_seconds": 1200}), SloSettings())
    samples = tuple((T - i * HOUR, 600.0) for i in range(25))
    quick = tuple((T - i * HOUR, 10.0) for i in range(25))
    found = snapshot(evidence(samples=quick), evidence(table="big", objectives=slow, samples=samples))
    assert (found.get(Slo.LATENCY).measured, found.get(Slo.LATENCY).total) == (10.0, 25)
    assert (found.get(Slo.LATENCY, "big").measured, found.get(Slo.LATENCY, "big").state) == (600.0, State.OK)


def test_old_samples_are_out_of_the_week() -> None:
    samples = tuple((T - 8 * DAY - i, 999.0) for i in range(50))
    assert snapshot(evidence(samples=samples)).get(Slo.LATENCY).measured is None


def test_error_rate_and_quality_are_shares_in_percent() -> None:
    runs = Events.of([T - i * HOUR for i in range(97)], [T - i * DAY for i in range(3)])
    checks = Events.of([T - i * HOUR for i in range(9)], [T - HOUR])
    found = snapshot(evidence(runs=runs, checks=checks))
    assert (found.get(Slo.ERROR_RATE).measured, found.get(Slo.ERROR_RATE).state) == (3.0, State.BREACH)
    assert (found.get(Slo.QUALITY).measured, found.get(Slo.QUALITY).state) == (90.0, State.BREACH)
    assert found.get(Slo.ERROR_RATE).budget_left == pytest.approx(-2)


# --- freshness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "state"), [(23.9, State.OK), (24.1, State.WARN), (36.1, State.BREACH)])
def test_freshness_is_the_age_of_the_last_read(hours: float, state: State) -> None:
    found = snapshot(evidence(fresh_as_of=T - hours * HOUR), evidence(table="stock"))
    assert found.get(Slo.FRESHNESS, "client").state is state
    assert found.get(Slo.FRESHNESS).state is state
    assert found.get(Slo.FRESHNESS, "stock").state is State.OK


def test_never_loaded_is_stale_and_pages_once_it_had_time() -> None:
    young = snapshot(evidence(fresh_as_of=None, known_since=T - HOUR))
    assert young.get(Slo.FRESHNESS, "client").state is State.BREACH
    assert [(b.key, b.severity) for b in slo_breaches(young)] == [("slo:freshness:client", Severity.TICKET)]
    old = snapshot(evidence(fresh_as_of=None, known_since=T - 37 * HOUR))
    assert [b.severity for b in slo_breaches(old)] == [Severity.PAGE]


def test_a_stale_table_pages_at_once() -> None:
    [found] = slo_breaches(snapshot(evidence(fresh_as_of=T - 37 * HOUR)))
    assert (found.severity, found.kind, found.table, found.slo) == (Severity.PAGE, "freshness", "client", Slo.FRESHNESS)
    assert found.summary == "Table client was last read 37.0 h ago; it is stale after 36 h."


# --- burn ------------------------------------------------------------------------------------------------------------


def hourly(days: float, bad: list[float]) -> Events:
    return Events.of([T - i * HOUR / 5 for i in range(int(days * 120))], bad)


@pytest.mark.parametrize(
    ("bad", "fires"),
    [
        ([T - 60], []),  # one failure is an accident, however high it makes the rate
        ([T - 60, T - 5 * HOUR], [Severity.PAGE]),
        ([T - 2 * HOUR, T - 5 * HOUR], []),  # over in the last hour; 0.6 times the budget in three days
        ([T - 2 * HOUR, T - 20 * HOUR, T - 40 * HOUR, T - 60 * HOUR], [Severity.TICKET]),
        ([T - 60, T - 20 * HOUR, T - 40 * HOUR, T - 60 * HOUR], [Severity.TICKET]),
        ([T - 60, T - 120, T - 40 * HOUR, T - 60 * HOUR], [Severity.PAGE, Severity.TICKET]),
    ],
)
def test_both_windows_must_burn_with_two_bad_events(bad: list[float], fires: list[Severity]) -> None:
    found = burns(OBJECTIVES[Slo.ERROR_RATE], hourly(4, bad), T, Policy())
    assert [b.severity for b in found if b.fires] == fires


def test_a_page_hides_the_ticket_of_the_same_objective_and_pages_come_first() -> None:
    bad = [T - 60, T - 120, T - 40 * HOUR, T - 60 * HOUR]
    found = slo_breaches(snapshot(evidence(runs=hourly(30, bad), fresh_as_of=T - 40 * HOUR)))
    assert [(b.key, b.severity) for b in found] == [
        ("slo:burn:error_rate", Severity.PAGE), ("slo:freshness:client", Severity.PAGE),
    ]  # fmt: skip
    assert "with 2 bad events" in found[0].summary


# --- what is in force --------------------------------------------------------------------------------------------------


def test_a_table_may_promise_something_else() -> None:
    spec = make_spec(slo={"latency_seconds": 600, "latency_alert_seconds": 900}, freshness={"warn": "7d", "fail": "8d"})
    found = table_objectives(spec, SloSettings())
    assert (found[Slo.LATENCY].objective, found[Slo.LATENCY].alert) == (600, 900)
    assert (found[Slo.FRESHNESS].objective, found[Slo.FRESHNESS].alert) == (168, 192)
    assert found[Slo.ERROR_RATE].objective == 1
    assert is_watched_alone(spec)
    assert not is_watched_alone(make_spec())


def test_an_objective_alone_brings_its_alert_along_in_proportion() -> None:
    found = table_objectives(make_spec(slo={"latency_seconds": 900, "availability_percent": 99.0, "error_rate_percent": 60}), SloSettings())
    assert (found[Slo.LATENCY].alert, found[Slo.AVAILABILITY].alert) == (pytest.approx(1125), pytest.approx(95))
    assert found[Slo.ERROR_RATE].alert == 100


def test_an_alert_stricter_than_its_objective_is_refused() -> None:
    with pytest.raises(ValidationError, match="latency_alert_seconds 150 is stricter than latency_seconds 900: set both"):
        SloSettings(latency_seconds=900)
    with pytest.raises(ValidationError, match="quality_alert_percent 95 is stricter than quality_percent 90"):
        SloSettings(quality_percent=90)
    with pytest.raises(ValidationError, match="latency_alert_seconds 5 is stricter than latency_seconds 10"):
        make_spec(slo={"latency_seconds": 10, "latency_alert_seconds": 5})


def test_settings_reach_every_table_without_a_promise_of_its_own() -> None:
    settings = SloSettings(freshness_hours=2, freshness_alert_hours=3, min_bad_events=5, window_days=10)
    found = table_objectives(make_spec(), settings)
    assert (found[Slo.FRESHNESS].objective, found[Slo.FRESHNESS].alert) == (2, 3)
    assert (policy(settings).min_bad_events, policy(settings).window_seconds) == (5, 10 * DAY)


def test_two_rules_broken_by_one_load_page_nobody() -> None:
    checks = Events.of([T - i * HOUR for i in range(100)], [T - 60, T - 60])
    assert [(b.key, b.severity) for b in slo_breaches(snapshot(evidence(checks=checks)))] == [("slo:burn:quality", Severity.TICKET)]


def test_a_watched_table_tells_its_own_budget_and_an_ordinary_one_only_the_platforms() -> None:
    runs = hourly(30, [T - 60, T - 120])
    keys = [b.key for b in slo_breaches(snapshot(evidence(runs=runs), evidence(table="stock", runs=runs, own=True)))]
    assert keys == ["slo:burn:error_rate", "slo:burn:error_rate:stock"]


def test_nothing_measured_is_no_breach() -> None:
    assert slo_breaches(snapshot()) == []
    assert {s.state for s in snapshot().statuses} == {State.NO_DATA}
