"""The circuit breaker's arithmetic: when repeated outages open it, who may probe, what closes it.

Owns the transitions, as pure functions of a record and a time. Knows neither where the record lives (`control.breakers` shares it
between processes) nor what is guarded (`pipeline.circuits`). Not a library: docs/decisions says which were looked at.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from enum import StrEnum

# A probe asks one small question. One that says nothing for so long has died with its process: the next comer probes.
PROBE_SECONDS = 120.0


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Admission(StrEnum):
    PASS = "pass"  # noqa: S105  no password
    PROBE = "probe"
    WAIT = "wait"  # somebody else is probing
    REFUSE = "refuse"


@dataclass(frozen=True)
class BreakerPolicy:
    """Open after `failures` loads in a row ended in an outage (0 = never); ask again after `cool_down_seconds`."""

    failures: int = 5
    cool_down_seconds: float = 300.0


@dataclass(frozen=True)
class Breaker:
    """One guarded resource. Stamps are naive UTC. `next_probe_utc`: open = when a probe may start, half-open = when it is given up."""

    resource: str
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0
    opened_utc: dt.datetime | None = None
    next_probe_utc: dt.datetime | None = None
    error_class: str = ""
    error_message: str = ""
    failed_utc: dt.datetime | None = None
    version: int = 0

    @property
    def is_clean(self) -> bool:
        """Nothing to forget: a success needs no write."""
        return self.state is BreakerState.CLOSED and not self.failures


def admission(breaker: Breaker, now: dt.datetime) -> Admission:
    """What a comer may do now."""
    if breaker.state is BreakerState.CLOSED:
        return Admission.PASS
    if breaker.next_probe_utc is None or now >= breaker.next_probe_utc:
        return Admission.PROBE
    return Admission.WAIT if breaker.state is BreakerState.HALF_OPEN else Admission.REFUSE


def failed(breaker: Breaker, error: tuple[str, str], now: dt.datetime, policy: BreakerPolicy) -> Breaker:
    """After an outage; `error` = its class and its redacted words. An open breaker stays so for a whole cool-down more."""
    seen = replace(breaker, failures=breaker.failures + 1, error_class=error[0], error_message=error[1], failed_utc=now)
    was_open = breaker.state is not BreakerState.CLOSED
    if not was_open and (not policy.failures or seen.failures < policy.failures):
        return seen
    opened = breaker.opened_utc if was_open and breaker.opened_utc else now
    later = now + dt.timedelta(seconds=policy.cool_down_seconds)
    return replace(seen, state=BreakerState.OPEN, opened_utc=opened, next_probe_utc=later)


def probing(breaker: Breaker, now: dt.datetime) -> Breaker | None:
    """The claim of the one probe; None where nobody may probe now: another was first, or it closed meanwhile."""
    if admission(breaker, now) is not Admission.PROBE:
        return None
    return replace(breaker, state=BreakerState.HALF_OPEN, next_probe_utc=now + dt.timedelta(seconds=PROBE_SECONDS))


def passed(breaker: Breaker) -> Breaker:
    """After a success: closed, nothing counted. The last error stays, for whoever asks what it was."""
    return replace(breaker, state=BreakerState.CLOSED, failures=0, opened_utc=None, next_probe_utc=None)
