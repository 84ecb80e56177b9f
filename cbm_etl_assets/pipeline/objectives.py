"""The objectives measured: the journal read, evaluated by `slo`, and written to etl.SLO_Status.

Owns the translation of log rows to evidence. Reads the control database only, never the source nor the warehouse, so it
answers while a load runs and costs a load nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.slo import Promise, SloRow
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.slo.evaluate import evaluate
from cbm_etl_assets.slo.events import Events
from cbm_etl_assets.slo.model import Policy, Severity, SloSnapshot, SloStatus, TableEvidence
from cbm_etl_assets.slo.objectives import is_watched_alone, platform_objectives, policy, table_objectives
from cbm_etl_assets.slo.slots import expected_slots, slot_events

FRESHENING = ("full", "incremental")
# Stopped by a person or by the scheduler's SIGTERM: neither good nor bad.
CANCELLED = ("KeyboardInterrupt", "SystemExit", "DagsterExecutionInterruptedError")
Row = Mapping[str, object]


@dataclass
class _Journal:
    """What the log says of one table; instants in seconds since 1970."""

    good: list[float] = field(default_factory=list)
    failed: list[float] = field(default_factory=list)
    loads: list[tuple[float, float]] = field(default_factory=list)
    samples: list[tuple[float, float]] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    rules_held: list[float] = field(default_factory=list)
    rules_broken: list[float] = field(default_factory=list)


def measure(
    control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: dt.datetime, *, record: bool = True
) -> SloSnapshot:
    """`now` aware. `record` False writes nothing but the schedules seen for the first time; `since_utc` is then unknown."""
    rules = policy(settings.slo)
    evidence = gather(control, catalog, settings, now)
    snapshot = evaluate(evidence, platform_objectives(settings.slo), rules, now)
    if not record:
        return snapshot
    kept = control.record_slo([_row(s) for s in snapshot.statuses])
    return replace(snapshot, statuses=tuple(replace(s, since_utc=k.since) for s, k in zip(snapshot.statuses, kept, strict=True)))


def gather(control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: dt.datetime) -> list[TableEvidence]:
    rules = policy(settings.slo)
    # One grace and the ticket's long window more: a slot is judged that much later, and 3 days are always seen.
    since = now - dt.timedelta(seconds=max(rules.window_seconds, rules.latency_window_seconds, 3 * 86400) + rules.slot_grace_seconds)
    journal: dict[str, _Journal] = defaultdict(_Journal)
    for row in control.query(statement("slo_loads"), {"since": since}):
        _read_load(journal[str(row["TableName"])], row)
    for row in control.query(statement("slo_checks"), {"since": since}):
        table = journal[str(row["TableName"])]
        # A WARNING is what the rule's author wants to know and not to be alarmed by: it burns no budget.
        (table.rules_broken if row["Verdict"] == "FAILED" else table.rules_held).append(_instant(row["LogTs"]))
    fresh = {str(r["TableName"]): _instant(r["StartedUtc"]) for r in control.query(statement("slo_fresh"))}
    promised = control.slo_promises({spec.name: _schedule(spec) for spec in catalog.values()})
    return [
        _evidence(spec, journal[spec.name], promised[spec.name], (settings, rules, since, now), fresh.get(spec.name))
        for spec in sorted(catalog.values(), key=lambda s: s.name)
    ]


def _schedule(spec: TableSpec) -> tuple[str, str]:
    """A schedule that is switched off promises nothing."""
    return (spec.schedule.cron, spec.schedule.timezone) if spec.schedule and spec.schedule.enabled else ("", "")


def _read_load(journal: _Journal, row: Row) -> None:
    start = _instant(row["StartedUtc"])
    if row["Status"] == "started":
        journal.running.append(start)
    elif row["Status"] == "failed":
        if row["ErrorClass"] not in CANCELLED:
            journal.failed.append(_instant(row["EndedUtc"]))
    else:
        end = _instant(row["EndedUtc"])
        journal.good.append(end)
        if row["Mode"] in FRESHENING and row["DurationSeconds"] is not None:
            journal.loads.append((start, end))
            journal.samples.append((end, float(str(row["DurationSeconds"]))))


def _evidence(
    spec: TableSpec, journal: _Journal, promise: Promise, how: tuple[Settings, Policy, dt.datetime, dt.datetime], fresh: float | None
) -> TableEvidence:
    settings, rules, since, now = how
    slots: list[float] = []
    if promise.cron:
        first = max(since, promise.scheduled).timestamp()
        slots = expected_slots(promise.cron, promise.timezone, first, now.timestamp())
    return TableEvidence(
        table=spec.name, objectives=table_objectives(spec, settings.slo), own=is_watched_alone(spec),
        slots=slot_events(slots, journal.loads, journal.running, now.timestamp(), rules.slot_grace_seconds),
        runs=Events.of(journal.good, journal.failed), checks=Events.of(journal.rules_held, journal.rules_broken),
        samples=tuple(journal.samples), fresh_as_of=fresh, known_since=promise.known.timestamp(),
    )  # fmt: skip


def _instant(value: object) -> float:
    """A stamp of the log, naive UTC. Raises: ValueError for a text that is none."""
    stamp = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    return (stamp.replace(tzinfo=dt.UTC) if stamp.tzinfo is None else stamp).timestamp()


def _row(status: SloStatus) -> SloRow:
    return SloRow(
        table_name=status.table, slo=status.slo.value, state=status.state.value, objective=status.objective, alert=status.alert,
        unit=status.unit, measured=status.measured, p50=status.p50, p99=status.p99, total=status.total, bad=status.bad,
        budget_left=status.budget_left, burn=status.burn, page_burn=_burn(status, Severity.PAGE),
        ticket_burn=_burn(status, Severity.TICKET),
    )  # fmt: skip


def _burn(status: SloStatus, severity: Severity) -> float | None:
    """What both windows reach: the smaller of the two."""
    return next((min(b.long_burn, b.short_burn) for b in status.burns if b.severity is severity), None)


def selected(snapshot: SloSnapshot, tables: Iterable[str]) -> tuple[SloStatus, ...]:
    """The statuses of these tables, or the platform's and every table's when none is named."""
    names = list(tables)
    return snapshot.of(names) if names else snapshot.statuses
