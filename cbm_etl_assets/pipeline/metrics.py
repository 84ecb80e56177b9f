"""What is measured for Prometheus: the journal and the objectives as families of samples.

Owns names, labels and their meaning. Failure series are there with 0 for every table, so that an alert rule never compares
with nothing. Reads the control database only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.observability.metrics import Family
from cbm_etl_assets.pipeline.objectives import measure
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.slo.model import Slo, SloSnapshot, SloStatus, State

STATUSES = ("success", "failed", "busy", "skipped")
RESOURCES = ("source", "warehouse")
SEVERITIES = ("critical", "error", "warning", "info")
OUTCOMES = {"read": "RowsRead", "inserted": "RowsInserted", "updated": "RowsUpdated", "unchanged": "RowsUnchanged",
            "deleted": "RowsDeleted", "quarantined": "RowsQuarantined"}  # fmt: skip
STATES = {State.NO_DATA: -1, State.OK: 0, State.WARN: 1, State.BREACH: 2}
DAY = dt.timedelta(hours=24)
Row = Mapping[str, object]


@dataclass(frozen=True)
class _Scrape:
    control: Control
    tables: tuple[str, ...]
    now: dt.datetime

    def rows(self, name: str, **parameters: object) -> list[dict[str, object]]:
        return self.control.query(statement(name), parameters or None)

    def per_table(self, name: str, column: str) -> dict[str, float]:
        return {str(r["TableName"]): _number(r[column]) for r in self.rows(name)}


def reader(
    control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: Callable[[], dt.datetime]
) -> Callable[[], list[Family]]:
    """What an endpoint asks at every scrape. The evaluation is not recorded: a scrape changes nothing."""
    return lambda: collect(control, catalog, settings, now(), record=False)


def collect(
    control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: dt.datetime, *, record: bool = True
) -> list[Family]:
    snapshot = measure(control, catalog, settings, now, record=record)
    scrape = _Scrape(control, tuple(sorted(spec.name for spec in catalog.values())), now)
    return [*_last_loads(scrape), *_windows(scrape), *_conditions(scrape), *_objectives(snapshot)]


def _last_loads(scrape: _Scrape) -> list[Family]:
    last = {str(r["TableName"]): r for r in scrape.rows("metrics_last")}
    active = scrape.per_table("metrics_running", "Loads")
    ended = Family("load_last_end_timestamp_seconds", "When the last load of the table ended, 0 = never", ("table",))
    good = Family("load_last_success", "1 when the last load that ended was good", ("table",))
    seconds = Family("load_last_duration_seconds", "Seconds the last load took", ("table",))
    size = Family("load_last_bytes", "Bytes the last load read", ("table",))
    rows = Family("load_last_rows", "Rows of the last load by outcome", ("table", "outcome"))
    running = Family("load_running", "Loads of the table that run now", ("table",))
    for table in scrape.tables:
        row: Row = last.get(table, {})
        ended.add(_instant(row.get("EndedUtc")), table)
        good.add(row.get("Status") == "success", table)
        seconds.add(_number(row.get("DurationSeconds")), table)
        size.add(_number(row.get("BytesRead")), table)
        running.add(active.get(table, 0), table)
        for outcome, column in OUTCOMES.items():
            rows.add(_number(row.get(column)), table, outcome)
    return [ended, good, seconds, size, rows, running]


def _windows(scrape: _Scrape) -> list[Family]:
    found = {(str(r["TableName"]), str(r["Status"])): r for r in scrape.rows("metrics_loads", since=scrape.now - DAY)}
    loads = Family("loads_24h", "Loads of the last 24 hours by how they ended", ("table", "status"))
    rows = Family("rows_read_24h", "Rows read in the last 24 hours", ("table",))
    broken = {
        str(r["TableName"]): _number(r["Rules"]) for r in scrape.rows("metrics_rules", since=scrape.now - DAY) if r["Verdict"] == "FAILED"
    }
    rules = Family("quality_rules_failed_24h", "Quality rules that failed in the last 24 hours", ("table",))
    for table in scrape.tables:
        for status in STATUSES:
            loads.add(_number(found.get((table, status), {}).get("Loads")), table, status)
        rows.add(sum(_number(row["RowsRead"]) for (name, _), row in found.items() if name == table), table)
        rules.add(broken.get(table, 0), table)
    return [loads, rows, rules]


def _conditions(scrape: _Scrape) -> list[Family]:
    quarantine, drift = scrape.per_table("metrics_quarantine", "OpenRows"), scrape.per_table("metrics_drift", "OpenChanges")
    unequal = {str(r["TableName"]): r["Status"] != "equal" for r in scrape.rows("metrics_certificates")}
    breakers = {name: b.state != "closed" for name, b in scrape.control.breakers().items()}
    alerts = [str(r["Severity"]) for r in scrape.rows("metrics_alerts")]
    return [
        _each("quarantine_open_rows", "Rows in quarantine that are retried", scrape.tables, quarantine),
        _each("schema_drift_open", "Changes of the source's schema not yet followed", scrape.tables, drift),
        _each("certificate_mismatch", "1 when the last certificate found source and ODS different", scrape.tables, unequal),
        _each("breaker_open", "1 while the circuit breaker is not closed", RESOURCES, breakers, "resource"),
        _each("alerts_open", "Alerts that are open", sorted({*SEVERITIES, *alerts}), {s: alerts.count(s) for s in alerts}, "severity"),
    ]


def _each(name: str, about: str, keys: Iterable[str], values: Mapping[str, float], label: str = "table") -> Family:
    family = Family(name, about, (label,))
    for key in keys:
        family.add(values.get(key, 0), key)
    return family


def _objectives(snapshot: SloSnapshot) -> list[Family]:
    """Label table is empty for the platform as a whole."""
    labels = ("slo", "table")
    state = Family("slo_state", "0 holds, 1 misses its objective, 2 past its alert threshold, -1 no data", labels)
    measured = Family("slo_measured", "Measured value in the objective's unit", (*labels, "unit"))
    objective = Family("slo_objective", "The promise, in the same unit", (*labels, "unit"))
    alert = Family("slo_alert_threshold", "Where somebody is told, in the same unit", (*labels, "unit"))
    left = Family("slo_error_budget_left_ratio", "Error budget left: 1 untouched, below 0 overspent", labels)
    burn = Family("slo_burn_rate", "How many times too fast the budget goes in that window", (*labels, "severity", "window"))
    fires = Family("slo_burn_alert", "1 while the windows of that severity burn and hold enough bad events", (*labels, "severity"))
    age = Family("data_age_seconds", "Seconds since the last good full or incremental load read the table, +Inf = never", ("table",))
    for s in snapshot.statuses:
        state.add(STATES[s.state], s.slo, s.table)
        objective.add(s.objective, s.slo, s.table, s.unit)
        alert.add(s.alert, s.slo, s.table, s.unit)
        if s.measured is not None:
            measured.add(s.measured, s.slo, s.table, s.unit)
        if s.budget_left is not None:
            left.add(s.budget_left, s.slo, s.table)
        _add_burns(burn, fires, s)
        if s.slo is Slo.FRESHNESS and s.table:
            age.add(float("inf") if s.measured is None else s.measured * 3600, s.table)
    return [state, measured, objective, alert, left, burn, fires, age]


def _add_burns(rates: Family, fires: Family, status: SloStatus) -> None:
    for b in status.burns:
        fires.add(b.fires, status.slo, status.table, b.severity)
        for seconds, rate in ((b.long_seconds, b.long_burn), (b.short_seconds, b.short_burn)):
            rates.add(rate, status.slo, status.table, b.severity, f"{seconds / 3600:g}h")


def _number(value: object) -> float:
    return 0.0 if value is None else float(str(value))


def _instant(value: object) -> float:
    return value.replace(tzinfo=dt.UTC).timestamp() if isinstance(value, dt.datetime) else 0.0
