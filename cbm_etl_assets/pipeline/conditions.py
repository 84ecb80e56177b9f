"""What holds now, read from the journal: failed loads, drift, quarantine, rules, certificates, circuits, objectives, routes.

Each reader turns rows of the control database into conditions with a stable key. Decides nothing: that is `alerting.policy`.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from cbm_etl_assets.alerting.events import Condition, Facts, Kind, Severity
from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.spec import Priority, TableSpec
from cbm_etl_assets.reliability.breaker import BreakerState
from cbm_etl_assets.reliability.redact import redact
from cbm_etl_assets.settings import Settings

logger = logging.getLogger(__name__)
Row = Mapping[str, object]
DAY = dt.timedelta(hours=24)
HORIZON = dt.timedelta(days=90)  # a table that failed longer ago and was not loaded since is the freshness alert's
NARROW = frozenset({"partition", "sweep", "repair"})  # a good one says nothing about the table's nightly load
KINDS_OF_LOAD = {"MassDeleteError": Kind.MASS_DELETE, "TooManyBadRowsError": Kind.QUARANTINE, "SourceSchemaError": Kind.DRIFT}
CANCELLED = frozenset({"KeyboardInterrupt", "SystemExit", "DagsterExecutionInterruptedError"})  # stopped by a person: no failure
STEADY = dt.timedelta(hours=1)  # a missed objective is a ticket; one failure of few loads is told as that failure
ROUTE_FAILURES = 3  # in a row: one may be a hiccup


@dataclass(frozen=True)
class Desk:
    """What every reader needs. `now` is naive UTC."""

    control: Control
    catalog: Mapping[str, TableSpec]
    settings: Settings
    now: dt.datetime

    def rows(self, name: str, **parameters: object) -> list[dict[str, object]]:
        return self.control.query(statement(name), parameters)

    def clean(self, text: object) -> str:
        return redact(str(text or ""), self.settings.secrets())

    def severity(self, table: str, otherwise: Severity = Severity.ERROR) -> Severity:
        spec = self.catalog.get(table)
        return Severity.CRITICAL if spec and spec.priority is Priority.CRITICAL else otherwise

    def facts(self, table: str, known: Facts | None = None) -> Facts:
        """With the table's owners and all that depends on it."""
        spec = self.catalog.get(table)
        return replace(known or Facts(), owners=spec.owners if spec else (), downstream=self.downstream(table))

    @cached_property
    def failures(self) -> list[Row]:
        """Failed loads of the last day, and older ones that nothing has healed."""
        rows = self.rows("watch_failures", since=self.now - HORIZON, started=self.now - DAY)
        return [row for row in rows if row["ErrorClass"] not in CANCELLED]

    @cached_property
    def _dependants(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for spec in self.catalog.values():
            for name in spec.depends_on:
                found[name].append(spec.name)
        return found

    def downstream(self, table: str) -> tuple[str, ...]:
        """Every table that depends on it, nearest first."""
        found: list[str] = []
        waiting = list(self._dependants.get(table, ()))
        while waiting:
            name = waiting.pop(0)
            if name not in found and name != table:
                found.append(name)
                waiting += self._dependants.get(name, ())
        return tuple(f"ods/{name}" for name in found)

    def notifies(self, table: str, what: str) -> bool:
        spec = self.catalog.get(table)
        return what in (self.settings.alerts.notify if spec is None or spec.notify is None else spec.notify)


def stamp(value: object) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))


def number(value: object) -> int:
    return int(str(value or 0))


# --- loads -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Streak:
    """Failed loads of a table up to the load that healed it; None: it has not come yet."""

    table: str
    failed: tuple[Row, ...]
    healed: Row | None


def streaks(desk: Desk) -> list[Streak]:
    by_table: dict[str, list[Row]] = defaultdict(list)
    for row in desk.failures:
        if row["TableName"] in desk.catalog:
            by_table[str(row["TableName"])].append(row)
    found = []
    for table, rows in by_table.items():
        good = desk.rows("watch_successes", table_name=table, log_id=rows[0]["LogId"])
        healed_by: dict[int, tuple[Row | None, list[Row]]] = {}
        for row in rows:
            healer = next((g for g in good if _heals(g, row)), None)
            healed_by.setdefault(number(healer["LogId"]) if healer else 0, (healer, []))[1].append(row)
        found += [Streak(table, tuple(members), healer) for healer, members in healed_by.values()]
    return found


def _heals(good: Row, failed: Row) -> bool:
    return number(good["LogId"]) > number(failed["LogId"]) and (good["Mode"] not in NARROW or good["Mode"] == failed["Mode"])


def load_conditions(desk: Desk) -> list[Condition]:
    """One a table: the streak that lasts, else the newest that is over."""
    chosen: dict[str, Streak] = {}
    for streak in sorted(streaks(desk), key=lambda s: (s.healed is None, number(s.failed[-1]["LogId"]))):
        chosen[streak.table] = streak
    return [_load_condition(desk, streak) for streak in chosen.values() if desk.notifies(streak.table, "failure")]


def _load_condition(desk: Desk, streak: Streak) -> Condition:
    first, last = streak.failed[0], streak.failed[-1]
    error = str(last["ErrorClass"] or "")
    known = Facts(detail=desk.clean(last["ErrorMessage"]), error_class=error, run_id=str(last["RunId"]), count=len(streak.failed))
    return Condition(
        key=f"load:{streak.table}", kind=KINDS_OF_LOAD.get(error, Kind.RUN_FAILURE), severity=desk.severity(streak.table),
        since=stamp(first["EndedUtc"]), table=streak.table, episode=str(first["LogId"]),
        ended=stamp(streak.healed["EndedUtc"]) if streak.healed else None, facts=desk.facts(streak.table, known),
    )  # fmt: skip


def failure_count(desk: Desk) -> list[Condition]:
    recent = [row for row in desk.failures if stamp(row["EndedUtc"]) > desk.now - DAY]
    limit = desk.settings.alerts.max_failures
    if len(recent) <= limit:
        return []
    counts = Counter(str(row["TableName"]) for row in recent).most_common(8)
    facts = Facts(detail=", ".join(f"{name} {count}" for name, count in counts), numbers={"failures": len(recent), "limit": limit})
    return [Condition("failures", Kind.FAILURES, Severity.ERROR, stamp(recent[0]["EndedUtc"]), facts=facts)]


# --- data --------------------------------------------------------------------------------------------------------------


def drift_conditions(desk: Desk) -> list[Condition]:
    """One a table and discovery. What stopped a load is that load's alert, what was left out on purpose is nobody's."""
    groups: dict[tuple[str, dt.datetime], list[Row]] = defaultdict(list)
    for row in desk.rows("watch_drift"):
        if row["ChangeClass"] != "safe" and row["Consequence"] in ("kept", "reported", "loaded") and row["TableName"] in desk.catalog:
            groups[str(row["TableName"]), stamp(row["FoundUtc"])].append(row)
    return [
        Condition(
            f"drift:{table}:{found:%Y%m%dT%H%M%S}", Kind.DRIFT, Severity.WARNING, found, table,
            facts=desk.facts(table, Facts(detail="; ".join(_change(row) for row in rows))),
        )
        for (table, found), rows in groups.items()
    ]  # fmt: skip


def _change(row: Row) -> str:
    states = f"{row['BeforeText']} → {row['AfterText']}" if row["BeforeText"] or row["AfterText"] else ""
    return f"{row['ColumnName']} {row['ChangeKind']} {states} ({row['Consequence']})".replace("  ", " ")


def quarantine_conditions(desk: Desk) -> list[Condition]:
    found = []
    for row in desk.rows("watch_quarantine"):
        table, rows = str(row["TableName"]), number(row["RowsQuarantined"])
        spec = desk.catalog.get(table)
        if spec and rows > spec.quarantine.max_rows:
            facts = desk.facts(table, Facts(numbers={"rows": rows, "limit": spec.quarantine.max_rows}))
            found.append(
                Condition(f"quarantine:{table}", Kind.QUARANTINE, Severity.WARNING, stamp(row["FirstSeenUtc"]), table, facts=facts)
            )
    return found


def quality_conditions(desk: Desk) -> list[Condition]:
    broken: dict[str, list[Row]] = defaultdict(list)
    for row in desk.rows("watch_quality"):
        if row["Severity"] == "ERROR" and row["TableName"] in desk.catalog:
            broken[str(row["TableName"])].append(row)
    found = []
    for table, rows in broken.items():
        detail = "; ".join(f"{row['RuleName']}: {desk.clean(row['Message']) or row['RowsFailed']}" for row in rows)
        worst = max(number(row["RowsFailed"]) for row in rows)
        facts = desk.facts(table, Facts(detail=detail, run_id=str(rows[0]["RunId"]), numbers={"rows": worst}))
        severity = desk.severity(table) if any(number(row["Blocking"]) for row in rows) else Severity.ERROR
        found.append(Condition(f"quality:{table}", Kind.QUALITY, severity, stamp(rows[0]["LogTs"]), table, facts=facts))
    return found


def certificate_conditions(desk: Desk) -> list[Condition]:
    found = []
    for row in desk.rows("watch_certificates"):
        table = str(row["TableName"])
        if row["Status"] != "equal" and table in desk.catalog:
            counts = {"missing": "KeysMissing", "extra": "KeysExtra", "different": "KeysDifferent"}
            numbers = {name: float(number(row[column])) for name, column in counts.items() if number(row[column])}
            facts = desk.facts(table, Facts(numbers=numbers, run_id=str(row["RunId"])))
            since = stamp(row["EndedUtc"])
            found.append(Condition(f"certificate:{table}", Kind.CERTIFICATE, desk.severity(table), since, table, facts=facts))
    return found


# --- the platform ------------------------------------------------------------------------------------------------------


def circuit_conditions(desk: Desk) -> list[Condition]:
    """A half-open circuit is still open: its probe may fail."""
    found = []
    for resource, breaker in desk.control.breakers().items():
        if breaker.state is not BreakerState.CLOSED:
            facts = Facts(detail=desk.clean(breaker.error_message), subject=resource, numbers={"failures": breaker.failures})
            since = breaker.opened_utc or desk.now
            found.append(Condition(f"circuit:{resource}", Kind.CIRCUIT, Severity.CRITICAL, since, facts=facts))
    return found


def objective_conditions(desk: Desk) -> list[Condition]:
    """Freshness, burn rates and missed objectives, as `slo` judges them."""
    from cbm_etl_assets.pipeline.objectives import measure
    from cbm_etl_assets.slo.breaches import slo_breaches

    kinds = {"freshness": Kind.FRESHNESS, "burn": Kind.SLO_BURN, "threshold": Kind.SLO_THRESHOLD}
    found = []
    for breach in slo_breaches(measure(desk.control, desk.catalog, desk.settings, desk.now.replace(tzinfo=dt.UTC))):
        if breach.kind == "freshness" and breach.severity != "page":
            continue  # never loaded and declared a short while ago: its first load is on its way, or its failure is told
        severity = desk.severity(breach.table) if breach.severity == "page" else Severity.WARNING
        since = (
            breach.since_utc.astimezone(dt.UTC).replace(tzinfo=None) if breach.since_utc and breach.since_utc.tzinfo else breach.since_utc
        )
        if breach.kind == "threshold" and desk.now - (since or desk.now) < STEADY:
            continue
        numbers = {"measured": breach.measured, "objective": breach.objective, "limit": breach.alert}
        known = {name: round(value, 2) for name, value in numbers.items() if value is not None}
        facts = desk.facts(breach.table, Facts(detail=breach.summary, numbers=known))
        found.append(Condition(breach.key, kinds[breach.kind], severity, since or desk.now, breach.table, facts=facts))
    return found


def route_conditions(desk: Desk) -> list[Condition]:
    """A way out that does not deliver: the other ways say so."""
    alerts = desk.control.alerts()
    unsent: dict[str, list[dt.datetime]] = defaultdict(list)
    for message in alerts.unsent():
        unsent[message.route_name].append(message.created or desk.now)
    return [
        Condition(
            f"channel:{name}", Kind.CHANNEL, Severity.ERROR, min(unsent[name], default=desk.now),
            facts=Facts(subject=name, detail=desk.clean(state.last_error), numbers={"waiting": len(unsent[name])}),
        )
        for name, state in alerts.routes().items()
        if state.failures >= ROUTE_FAILURES
    ]  # fmt: skip


# --- all of them -------------------------------------------------------------------------------------------------------

Reader = Callable[[Desk], list[Condition]]
OBJECTIVES: Mapping[Reader, frozenset[Kind]] = {
    objective_conditions: frozenset({Kind.FRESHNESS, Kind.SLO_BURN, Kind.SLO_THRESHOLD}),
}
READERS: Mapping[Reader, frozenset[Kind]] = {
    load_conditions: frozenset({Kind.RUN_FAILURE, Kind.MASS_DELETE, Kind.QUARANTINE, Kind.DRIFT}),
    failure_count: frozenset({Kind.FAILURES}),
    drift_conditions: frozenset({Kind.DRIFT}),
    quarantine_conditions: frozenset({Kind.QUARANTINE}),
    quality_conditions: frozenset({Kind.QUALITY}),
    certificate_conditions: frozenset({Kind.CERTIFICATE}),
    circuit_conditions: frozenset({Kind.CIRCUIT}),
    route_conditions: frozenset({Kind.CHANNEL}),
}


def look(desk: Desk, readers: Mapping[Reader, frozenset[Kind]]) -> tuple[list[Condition], frozenset[Kind]]:
    """What holds, and the kinds that were looked for. A reader with a defect is an alert itself and silences no other.

    Raises: CbmError when the control database cannot be read: then nothing is known.
    """
    found: list[Condition] = []
    unread: set[Kind] = set()
    for reader, kinds in readers.items():
        try:
            found += reader(desk)
        except CbmError:
            raise
        except Exception as error:
            logger.exception("Alerts: %s failed", reader.__name__)
            unread |= kinds
            facts = Facts(subject=reader.__name__, error_class=type(error).__name__, detail=desk.clean(error))
            found.append(Condition(f"watch:{reader.__name__}", Kind.WATCH, Severity.ERROR, desk.now, facts=facts))
    kinds_read = frozenset().union(*readers.values()) - unread
    return found, frozenset({*kinds_read, Kind.WATCH})
