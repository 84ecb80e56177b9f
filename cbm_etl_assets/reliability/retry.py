"""Retry of transient failures: exponential backoff with full jitter, bounded by attempts and by a deadline.

Owns when to try again. Knows nothing of what is tried: TransientError is retried, every other error passes at once.
Clock, sleep and randomness are injected. (Not tenacity: these 40 lines are typed, and importing it costs 35 ms a run.)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cbm_etl_assets.errors import TransientError

T = TypeVar("T")


@dataclass(frozen=True)
class RetryPolicy:
    """`retries` come after the first attempt. The n-th wait is uniform in [0, min(cap, base * 2**(n-1))]."""

    retries: int = 3
    base_seconds: float = 30.0
    cap_seconds: float = 300.0
    deadline_seconds: float | None = None


@dataclass(frozen=True)
class RetryEvent:
    """Attempt number `attempt` (from 1) failed with `error`; the next one starts after `delay_seconds`."""

    attempt: int
    delay_seconds: float
    error: TransientError


@dataclass(frozen=True)
class Clockwork:
    """Everything that is not a pure function of the policy."""

    sleep: Callable[[float], object] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    # Jitter spreads retries of many processes; it guards nothing, so the fast generator is right.
    uniform: Callable[[float, float], float] = random.uniform


def backoff_ceiling(policy: RetryPolicy, attempt: int) -> float:
    """The longest wait after failed attempt number `attempt` (from 1)."""
    # 2**60 is beyond any cap; without the bound attempt 1100 overflows a float.
    return min(policy.cap_seconds, policy.base_seconds * 2.0 ** min(attempt - 1, 60))


def call_with_retry(
    work: Callable[[], T], policy: RetryPolicy, *, on_retry: Callable[[RetryEvent], None] | None = None, clockwork: Clockwork | None = None
) -> T:
    """`work()` until it succeeds. Raises: its error when final, when the attempts are used up, or when the next attempt
    would start after the deadline (counted from the first attempt)."""
    tools = clockwork or Clockwork()
    started = tools.monotonic()
    attempt = 1
    while True:
        try:
            return work()
        except TransientError as error:
            delay = tools.uniform(0.0, backoff_ceiling(policy, attempt))
            spent = tools.monotonic() - started
            too_late = policy.deadline_seconds is not None and spent + delay > policy.deadline_seconds
            if attempt > policy.retries or too_late:
                raise
            if on_retry is not None:
                on_retry(RetryEvent(attempt, delay, error))
        tools.sleep(delay)
        attempt += 1
