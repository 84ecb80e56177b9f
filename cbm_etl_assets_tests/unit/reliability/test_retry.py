from __future__ import annotations

import pytest

from cbm_etl_assets.errors import LakeError, TransientSourceError
from cbm_etl_assets.reliability.retry import Clockwork, RetryEvent, RetryPolicy, backoff_ceiling, call_with_retry


class World:
    """A clock that only sleeping moves; jitter takes the share of the ceiling it is told."""

    def __init__(self, share: float = 1.0) -> None:
        self.time = 100.0
        self.sleeps: list[float] = []
        self.clockwork = Clockwork(sleep=self._sleep, monotonic=lambda: self.time, uniform=lambda low, high: low + share * (high - low))

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds


def failing(times: int, error: Exception | None = None):  # type: ignore[no-untyped-def]
    calls: list[int] = []

    def work() -> str:
        calls.append(1)
        if len(calls) <= times:
            raise error or TransientSourceError(f"cut {len(calls)}")
        return "done"

    return work, calls


def test_first_success_neither_waits_nor_reports() -> None:
    world = World()
    work, calls = failing(0)
    assert call_with_retry(work, RetryPolicy(), clockwork=world.clockwork) == "done"
    assert (len(calls), world.sleeps) == (1, [])


def test_waits_double_up_to_the_cap_and_are_reported() -> None:
    world, events = World(), list[RetryEvent]()
    work, _ = failing(4)
    policy = RetryPolicy(retries=4, base_seconds=10, cap_seconds=50)
    assert call_with_retry(work, policy, on_retry=events.append, clockwork=world.clockwork) == "done"
    assert world.sleeps == [10, 20, 40, 50]
    assert [(e.attempt, e.delay_seconds, e.error.message) for e in events] == [
        (1, 10, "cut 1"),
        (2, 20, "cut 2"),
        (3, 40, "cut 3"),
        (4, 50, "cut 4"),
    ]


@pytest.mark.parametrize(("share", "expected"), [(0.0, [0.0, 0.0]), (0.5, [5.0, 10.0])])
def test_jitter_is_full(share: float, expected: list[float]) -> None:
    world = World(share)
    call_with_retry(failing(2)[0], RetryPolicy(retries=2, base_seconds=10), clockwork=world.clockwork)
    assert world.sleeps == expected


def test_the_last_error_is_raised_when_attempts_are_used_up() -> None:
    world = World()
    work, calls = failing(9)
    with pytest.raises(TransientSourceError, match="cut 3"):
        call_with_retry(work, RetryPolicy(retries=2, base_seconds=1), clockwork=world.clockwork)
    assert len(calls) == 3
    assert len(world.sleeps) == 2


@pytest.mark.parametrize("error", [LakeError("final"), ValueError("bug"), KeyboardInterrupt()])
def test_what_is_not_transient_passes_at_once(error: Exception) -> None:
    world = World()
    work, calls = failing(9, error)
    with pytest.raises(type(error)):
        call_with_retry(work, RetryPolicy(), clockwork=world.clockwork)
    assert (len(calls), world.sleeps) == (1, [])


def test_no_attempt_starts_after_the_deadline() -> None:
    world = World()
    work, calls = failing(9)
    with pytest.raises(TransientSourceError):
        call_with_retry(work, RetryPolicy(retries=9, base_seconds=10, deadline_seconds=35), clockwork=world.clockwork)
    assert (len(calls), world.sleeps) == (3, [10, 20])


def test_ceiling_survives_any_attempt_number() -> None:
    assert backoff_ceiling(RetryPolicy(base_seconds=1, cap_seconds=60), 5000) == 60
