"""Good and bad events on a time axis, counted by window. Owns the counting and the nearest-rank percentile."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Events:
    """Instants (seconds since 1970), sorted, at which an event became known to be good or bad."""

    good: Sequence[float] = ()
    bad: Sequence[float] = ()

    @staticmethod
    def of(good: Iterable[float], bad: Iterable[float]) -> Events:
        return Events(sorted(good), sorted(bad))

    @staticmethod
    def union(parts: Iterable[Events]) -> Events:
        held = list(parts)
        return Events.of((t for e in held for t in e.good), (t for e in held for t in e.bad))

    def count(self, now: float, seconds: float) -> tuple[int, int]:
        """(all, bad) in (now - seconds, now]."""
        bad = _between(self.bad, now - seconds, now)
        return _between(self.good, now - seconds, now) + bad, bad


def _between(instants: Sequence[float], after: float, until: float) -> int:
    return bisect_right(instants, until) - bisect_right(instants, after)


def nearest_rank(ordered: Sequence[float], percent: float) -> float:
    """The smallest value with at least `percent` of the values at or below it: always one that was measured."""
    return ordered[max(1, math.ceil(percent / 100 * len(ordered))) - 1]


def budget_left(total: int, bad: int, good_ratio: float) -> float | None:
    """1 - bad / (n * (1 - target)); None without an event."""
    return 1 - bad / (total * (1 - good_ratio)) if total else None


def burn_rate(total: int, bad: int, good_ratio: float) -> float:
    """Bad ratio / (1 - target): 1 = the budget lasts exactly its window."""
    return bad / total / (1 - good_ratio) if total else 0.0
