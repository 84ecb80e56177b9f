"""What an objective is and what its evaluation answers. Plain data; knows no clock and no database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from cbm_etl_assets.slo.events import Events


class Slo(StrEnum):
    AVAILABILITY = "availability"  # good load slots / expected load slots
    LATENCY = "latency"  # p95 seconds of full and incremental loads
    ERROR_RATE = "error_rate"  # failed / (failed + success)
    FRESHNESS = "freshness"  # hours since the last good full or incremental load read the source
    QUALITY = "quality"  # rules not failed / rules evaluated


class State(StrEnum):
    OK = "OK"
    WARN = "WARN"  # the objective is missed
    BREACH = "BREACH"  # the alert threshold is passed
    NO_DATA = "NO_DATA"


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True)
class Objective:
    """`objective` and `alert` in `unit`. `good_ratio`: the share of good events promised; None = no error budget.

    `pages` False: a burning budget makes a ticket at most.
    """

    slo: Slo
    objective: float
    alert: float
    unit: str
    good_ratio: float | None
    higher_is_better: bool = False
    pages: bool = True

    def state(self, measured: float | None) -> State:
        if measured is None:
            return State.NO_DATA
        if self.misses(measured, self.alert):
            return State.BREACH
        return State.WARN if self.misses(measured, self.objective) else State.OK

    def misses(self, measured: float, limit: float) -> bool:
        return measured < limit if self.higher_is_better else measured > limit


Objectives = Mapping[Slo, Objective]


@dataclass(frozen=True)
class Policy:
    """How long to look back, and when a burning budget is told. Source: facts of 57 simulated days, docs/slo.md."""

    window_seconds: float = 30 * 86400.0
    latency_window_seconds: float = 7 * 86400.0
    min_samples: int = 20
    slot_grace_seconds: float = 6 * 3600.0
    page_burn: float = 6.0
    ticket_burn: float = 1.0
    min_bad_events: int = 2


@dataclass(frozen=True)
class TableEvidence:
    """What the journal says of one table. Instants are seconds since 1970, UTC.

    `samples`: (end, seconds) of good full and incremental loads. `fresh_as_of`: start of the last of them, None = never.
    `own`: the spec names objectives of its own, so its budget is watched by itself.
    """

    table: str
    objectives: Objectives
    own: bool = False
    slots: Events = field(default_factory=Events)
    runs: Events = field(default_factory=Events)
    checks: Events = field(default_factory=Events)
    samples: tuple[tuple[float, float], ...] = ()
    fresh_as_of: float | None = None
    known_since: float = 0.0


@dataclass(frozen=True)
class Burn:
    """One pair of windows: how many times faster than allowed the budget goes, in each."""

    severity: Severity
    long_seconds: float
    short_seconds: float
    long_burn: float
    short_burn: float
    bad_events: int
    fires: bool


@dataclass(frozen=True)
class SloStatus:
    """One objective of one table, `table` '' = the platform. `budget_left`: 1 = untouched, below 0 = overspent."""

    slo: Slo
    table: str
    objective: float
    alert: float
    unit: str
    state: State
    measured: float | None = None
    total: int = 0
    bad: int = 0
    budget_left: float | None = None
    burn: float | None = None
    p50: float | None = None
    p99: float | None = None
    burns: tuple[Burn, ...] = ()
    since_utc: dt.datetime | None = None
    known_since_utc: dt.datetime | None = None


@dataclass(frozen=True)
class SloSnapshot:
    evaluated_at_utc: dt.datetime
    statuses: tuple[SloStatus, ...] = field(default=())

    @cached_property
    def _by_key(self) -> dict[tuple[str, str], SloStatus]:
        return {(s.table, s.slo): s for s in self.statuses}

    def get(self, slo: Slo, table: str = "") -> SloStatus:
        return self._by_key[table, slo]

    def of(self, tables: Iterable[str]) -> tuple[SloStatus, ...]:
        wanted = set(tables)
        return tuple(s for s in self.statuses if s.table in wanted)


@dataclass(frozen=True)
class SloBreach:
    """Something to tell now. `key` is stable for as long as the condition holds."""

    key: str
    severity: Severity
    kind: str
    slo: Slo
    table: str
    measured: float | None
    objective: float
    alert: float
    unit: str
    since_utc: dt.datetime | None
    summary: str
