"""The circuit breaker's transitions, against a clock in the test's hands."""

from __future__ import annotations

import datetime as dt

import pytest

from cbm_etl_assets.reliability.breaker import (
    PROBE_SECONDS,
    Admission,
    Breaker,
    BreakerPolicy,
    BreakerState,
    admission,
    failed,
    passed,
    probing,
)

NOW = dt.datetime(2026, 11, 21, 8, 0)
POLICY = BreakerPolicy(failures=3, cool_down_seconds=300)
ERROR = ("TransientSourceError", "nobody answers")


def after(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def tripped(times: int = 3, policy: BreakerPolicy = POLICY) -> Breaker:
    found = Breaker("source")
    for _ in range(times):
        found = failed(found, ERROR, NOW, policy)
    return found


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    assert (tripped(2).state, admission(tripped(2), NOW)) == (BreakerState.CLOSED, Admission.PASS)
    opened = tripped(3)
    assert (opened.state, opened.failures, opened.opened_utc, opened.next_probe_utc) == (BreakerState.OPEN, 3, NOW, after(300))
    assert (opened.error_class, opened.error_message, opened.failed_utc) == (*ERROR, NOW)


def test_a_success_between_starts_the_count_anew() -> None:
    again = failed(passed(tripped(2)), ERROR, NOW, POLICY)
    assert (again.state, again.failures) == (BreakerState.CLOSED, 1)


def test_zero_never_opens() -> None:
    assert tripped(50, BreakerPolicy(failures=0)).state is BreakerState.CLOSED


def test_after_the_cool_down_one_may_probe_and_the_others_wait() -> None:
    opened = tripped()
    assert admission(opened, after(299)) is Admission.REFUSE
    assert probing(opened, after(299)) is None
    half = probing(opened, after(300))
    assert half is not None
    assert (half.state, admission(half, after(300)), probing(half, after(301))) == (BreakerState.HALF_OPEN, Admission.WAIT, None)


def test_a_probe_whose_process_died_is_given_up() -> None:
    half = probing(tripped(), after(300))
    assert half is not None
    assert admission(half, after(300 + PROBE_SECONDS)) is Admission.PROBE


def test_a_failed_probe_opens_it_for_a_whole_cool_down_since_the_first_outage() -> None:
    half = probing(tripped(), after(300))
    assert half is not None
    again = failed(half, ERROR, after(310), POLICY)
    assert (again.state, again.opened_utc, again.next_probe_utc) == (BreakerState.OPEN, NOW, after(610))


def test_a_good_probe_closes_it_and_the_last_error_stays_known() -> None:
    half = probing(tripped(), after(300))
    assert half is not None
    closed = passed(half)
    assert (closed.state, closed.failures, closed.opened_utc, closed.next_probe_utc) == (BreakerState.CLOSED, 0, None, None)
    assert closed.is_clean
    assert closed.error_message == "nobody answers"


@pytest.mark.parametrize("found", [Breaker("source"), tripped(1)])
def test_a_closed_one_has_nothing_to_probe(found: Breaker) -> None:
    assert probing(found, NOW) is None
