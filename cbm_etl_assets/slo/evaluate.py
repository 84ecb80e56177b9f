"""Evidence in, snapshot out: measured values, error budgets and burn rates, at the instant given. Pure.

The platform's row of each objective is counted over the events of all tables, so one table with many runs weighs as much as
its runs do; freshness is the exception: its worst table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cbm_etl_assets.slo.events import Events, budget_left, burn_rate, nearest_rank
from cbm_etl_assets.slo.model import Burn, Objective, Objectives, Policy, Severity, Slo, SloSnapshot, SloStatus, State, TableEvidence

HOUR = 3600.0
# (severity, long, short). Google's 1 h/5 min and 6 h/30 min assume high traffic: with 127 runs a day they page for every
# single failure (72 pages for 79 failures in 57 days, measured); these and the least number of bad events give 5.
WINDOWS = ((Severity.PAGE, 6 * HOUR, 1 * HOUR), (Severity.TICKET, 72 * HOUR, 6 * HOUR))
_PLATFORM = ""


@dataclass(frozen=True)
class _Moment:
    now: float
    policy: Policy


def evaluate(evidence: Iterable[TableEvidence], platform: Objectives, policy: Policy, now: dt.datetime) -> SloSnapshot:
    """`now` aware. The platform's five rows first, then five a table."""
    tables = list(evidence)
    at = _Moment(now.timestamp(), policy)
    found = [
        _counted(platform[Slo.AVAILABILITY], _PLATFORM, Events.union(t.slots for t in tables), at),
        _latency(platform[Slo.LATENCY], _PLATFORM, _common_samples(tables, platform[Slo.LATENCY]), at),
        _counted(platform[Slo.ERROR_RATE], _PLATFORM, Events.union(t.runs for t in tables), at),
        _worst(platform[Slo.FRESHNESS], tables, at),
        _counted(platform[Slo.QUALITY], _PLATFORM, Events.union(t.checks for t in tables), at),
    ]
    for table in tables:
        found += _table(table, at)
    return SloSnapshot(now, tuple(found))


def _table(table: TableEvidence, at: _Moment) -> list[SloStatus]:
    wanted = table.objectives
    return [
        _counted(wanted[Slo.AVAILABILITY], table.table, table.slots, at, watched=table.own),
        _latency(wanted[Slo.LATENCY], table.table, table.samples, at, watched=table.own),
        _counted(wanted[Slo.ERROR_RATE], table.table, table.runs, at, watched=table.own),
        _freshness(wanted[Slo.FRESHNESS], table, at),
        _counted(wanted[Slo.QUALITY], table.table, table.checks, at, watched=table.own),
    ]


def _counted(objective: Objective, table: str, events: Events, at: _Moment, *, watched: bool = True) -> SloStatus:
    """Availability, error rate and quality: a share of events, in percent."""
    total, bad = events.count(at.now, at.policy.window_seconds)
    measured = None
    if total:
        measured = 100 * ((total - bad) if objective.higher_is_better else bad) / total
    return _status(objective, table, (total, bad), measured, burns(objective, events, at.now, at.policy) if watched else ())


def _status(
    objective: Objective, table: str, counted: tuple[int, int], measured: float | None, burning: tuple[Burn, ...] = (),
    percentiles: tuple[float | None, float | None] = (None, None),
) -> SloStatus:  # fmt: skip
    (total, bad), ratio = counted, objective.good_ratio
    return SloStatus(
        slo=objective.slo, table=table, objective=objective.objective, alert=objective.alert, unit=objective.unit,
        state=objective.state(measured), measured=measured, total=total, bad=bad,
        budget_left=budget_left(total, bad, ratio) if ratio is not None else None,
        burn=burn_rate(total, bad, ratio) if ratio is not None and total else None,
        p50=percentiles[0], p99=percentiles[1], burns=burning,
    )  # fmt: skip


def _latency(objective: Objective, table: str, samples: Sequence[tuple[float, float]], at: _Moment, *, watched: bool = True) -> SloStatus:
    """The p95 of seven days, from at least 20 samples; its budget counts loads slower than the objective."""
    slow = Events.of(
        (end for end, seconds in samples if seconds <= objective.objective),
        (end for end, seconds in samples if seconds > objective.objective),
    )
    since = at.now - at.policy.latency_window_seconds
    recent = sorted(seconds for end, seconds in samples if since < end <= at.now)
    enough = len(recent) >= at.policy.min_samples
    p50, p95, p99 = (nearest_rank(recent, p) for p in (50, 95, 99)) if enough else (None, None, None)
    counted = slow.count(at.now, at.policy.latency_window_seconds)
    return _status(objective, table, counted, p95, burns(objective, slow, at.now, at.policy) if watched else (), (p50, p99))


def _common_samples(tables: Sequence[TableEvidence], objective: Objective) -> list[tuple[float, float]]:
    """A table that promises another latency is judged by its own row alone: 15 minutes kept are no breach of 2."""
    return [sample for t in tables if t.objectives[Slo.LATENCY].objective == objective.objective for sample in t.samples]


def _freshness(objective: Objective, table: TableEvidence, at: _Moment) -> SloStatus:
    """Hours since the source was last read; a table that was never loaded is stale."""
    age = None if table.fresh_as_of is None else max(0.0, at.now - table.fresh_as_of) / HOUR
    state = State.BREACH if age is None else objective.state(age)
    return SloStatus(
        slo=Slo.FRESHNESS, table=table.table, objective=objective.objective, alert=objective.alert, unit=objective.unit, state=state,
        measured=age, total=1, bad=int(state is not State.OK), known_since_utc=_utc(table.known_since),
    )  # fmt: skip


def _worst(objective: Objective, tables: Sequence[TableEvidence], at: _Moment) -> SloStatus:
    """The platform is as fresh as its stalest table, against that table's own objective."""
    found = [_freshness(t.objectives[Slo.FRESHNESS], t, at) for t in tables]
    order = (State.NO_DATA, State.OK, State.WARN, State.BREACH)
    state = max((s.state for s in found), key=order.index, default=State.NO_DATA)
    ages = [s.measured for s in found if s.measured is not None]
    return SloStatus(
        slo=Slo.FRESHNESS, table=_PLATFORM, objective=objective.objective, alert=objective.alert, unit=objective.unit, state=state,
        measured=max(ages, default=None), total=len(found), bad=sum(s.bad for s in found),
    )  # fmt: skip


def burns(objective: Objective, events: Events, now: float, policy: Policy) -> tuple[Burn, ...]:
    """The two pairs of windows. A pair fires when both burn and the long one holds enough bad events to be no accident."""
    ratio = objective.good_ratio
    if ratio is None:
        return ()
    found = []
    for severity, long, short in WINDOWS:
        (n_long, bad), (n_short, bad_short) = events.count(now, long), events.count(now, short)
        over = policy.page_burn if severity is Severity.PAGE else policy.ticket_burn
        fast, recent = burn_rate(n_long, bad, ratio), burn_rate(n_short, bad_short, ratio)
        told = objective.pages or severity is not Severity.PAGE
        fires = told and bad >= policy.min_bad_events and fast >= over and recent >= over
        found.append(Burn(severity, long, short, fast, recent, bad, fires))
    return tuple(found)


def _utc(instant: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(instant, dt.UTC)
