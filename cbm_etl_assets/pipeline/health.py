"""Health: is the platform well, judged from what is left when nothing else runs? Each check says what, and the remedy.

Owns the checks and their verdicts. Reads the control database and the disk; opens neither source nor warehouse, so it answers
while a load runs and while the ERP is closed. The dead man's switch: a scheduler runs `cbm-etl health` beside everything else.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.circuits import describe
from cbm_etl_assets.pipeline.objectives import measure
from cbm_etl_assets.pipeline.preflight import GIB, Check, CheckStatus, attempt, skipped
from cbm_etl_assets.reliability.breaker import BreakerState
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.slo.breaches import slo_breaches
from cbm_etl_assets.slo.model import SloBreach

OK, WARN, FAIL = CheckStatus.OK, CheckStatus.WARN, CheckStatus.FAIL
DAY = dt.timedelta(hours=24)
MANY_FAILURES = 5  # what the old daily check called too many in 24 hours
STUCK_AFTER = dt.timedelta(hours=6)
UNSENT_AFTER = dt.timedelta(hours=1)
_LISTED = 8
Row = Mapping[str, object]


@dataclass(frozen=True)
class Heartbeat:
    """Dagster's daemon as its storage shows it. `at` None: it was never started on this machine. `error`: it could not be asked."""

    at: dt.datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Health:
    at: dt.datetime
    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        return all(c.status is not FAIL for c in self.checks)

    def of(self, status: CheckStatus) -> list[Check]:
        return [c for c in self.checks if c.status is status]


def examine(
    control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: dt.datetime, heartbeat: Callable[[], Heartbeat]
) -> Health:
    """Never raises for what a check finds: a typed error becomes a failed check. Writes etl.SLO_Status, which proves it can."""
    ward = _Ward(control, catalog, settings, now)
    first = attempt("control database", ward.control_database)
    journal: list[tuple[str, Callable[[], Check]]] = [
        ("last loads", ward.last_loads), ("freshness", ward.freshness), ("objectives", ward.objectives),
        ("failures in 24 h", ward.failures), ("running loads", ward.running), ("quarantine", ward.quarantine),
        ("quality", ward.quality), ("certificates", ward.certificates), ("schema drift", ward.drift),
        ("circuit breakers", ward.breakers), ("alerts", ward.alerts),
    ]  # fmt: skip
    answered = first.status is not FAIL
    read = [attempt(name, work) if answered else skipped(name, "the control database does not answer") for name, work in journal]
    return Health(now, (first, ward.daemon(heartbeat()), *read, *ward.disks(), ward.lake()))


class _Ward:
    def __init__(self, control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: dt.datetime) -> None:
        self._control, self._catalog, self._settings, self._now = control, catalog, settings, now
        self._breaches: list[SloBreach] = []

    def control_database(self) -> Check:
        self._control.upgrade()
        reaped = self._control.reap_runs()
        self._breaches = slo_breaches(measure(self._control, self._catalog, self._settings, self._now))
        told = f", {reaped} killed runs closed" if reaped else ""
        return Check("control database", OK, f"readable and writable{told}")

    def daemon(self, heartbeat: Heartbeat) -> Check:
        name = "daemon"
        if heartbeat.error:
            return Check(name, WARN, f"Dagster's storage could not be asked: {heartbeat.error}", "see CBM_HOME/dagster")
        if heartbeat.at is None:
            return skipped(name, "Dagster's daemon was never started here: loads are started by something else")
        age = self._now - heartbeat.at
        limit = dt.timedelta(minutes=self._settings.observability.stalled_daemon_minutes)
        detail = f"last heartbeat {heartbeat.at:%Y-%m-%d %H:%M:%S} UTC, {_span(age)} ago"
        if age <= limit:
            return Check(name, OK, detail)
        needed = any(spec.schedule and spec.schedule.enabled for spec in self._catalog.values())
        return Check(name, FAIL if needed else WARN, detail, "start it: cbm-etl ui, or its service")

    def last_loads(self) -> Check:
        rows = {str(r["TableName"]): r for r in self._rows("metrics_last") if str(r["TableName"]) in self._tables}
        failed = [f"{name}: {r['ErrorClass']}" for name, r in rows.items() if r["Status"] == "failed"]
        detail = f"{len(rows)} of {len(self._tables)} tables were loaded at least once"
        if failed:
            return Check("last loads", FAIL, f"{len(failed)} ended badly: {_some(failed)}", "cbm-etl status shows the message of each")
        return Check("last loads", OK, detail)

    def freshness(self) -> Check:
        stale = [b for b in self._breaches if b.kind == "freshness"]
        if stale:
            told = _some([f"{b.table} ({'never loaded' if b.measured is None else f'{b.measured:.0f} h'})" for b in stale])
            return Check(
                "freshness", FAIL, f"{len(stale)} tables are stale: {told}", "cbm-etl run T, then find out why its schedule did not"
            )
        return Check("freshness", OK, f"{len(self._tables)} tables within their objective's alert")

    def objectives(self) -> Check:
        """The budget that burns fast is a failure; what is merely missed is a warning: it is history, and stays for weeks."""
        told = [b for b in self._breaches if b.kind != "freshness"]
        if not told:
            return Check("objectives", OK, "none is past its alert threshold")
        status = FAIL if any(b.severity == "page" for b in told) else WARN
        return Check("objectives", status, " ".join(b.summary for b in told[:3]), "cbm-etl slo")

    def failures(self) -> Check:
        rows = self._rows("metrics_loads", since=self._now - DAY)
        failed = sum(int(str(r["Loads"])) for r in rows if r["Status"] == "failed")
        ended = sum(int(str(r["Loads"])) for r in rows if r["Status"] in ("failed", "success"))
        status = FAIL if failed > MANY_FAILURES else WARN if failed else OK
        remedy = "SELECT * FROM etl.ETL_Log WHERE Status = 'failed' ORDER BY LogTs DESC" if failed else ""
        return Check("failures in 24 h", status, f"{failed} of {ended} loads failed", remedy)

    def running(self) -> Check:
        rows = self._control.query("SELECT TableName, StartedUtc FROM etl.ETL_Log WHERE Status = 'started'")
        long = [f"{r['TableName']} ({_span(age)})" for r in rows if (age := self._age(r["StartedUtc"])) > STUCK_AFTER]
        if long:
            return Check("running loads", WARN, f"{len(long)} have run for hours: {_some(long)}", "see CBM_HOME/logs and the source's load")
        return Check("running loads", OK, f"{len(rows)} running")

    def quarantine(self) -> Check:
        return self._counted("quarantine", "metrics_quarantine", "OpenRows", "rows cannot be loaded", "cbm-etl quarantine list")

    def drift(self) -> Check:
        return self._counted("schema drift", "metrics_drift", "OpenChanges", "changes of the source not followed", "cbm-etl tables sync")

    def _counted(self, name: str, query: str, column: str, what: str, remedy: str) -> Check:
        found = {str(r["TableName"]): int(str(r[column])) for r in self._rows(query)}
        if not found:
            return Check(name, OK, "none")
        return Check(name, WARN, f"{sum(found.values())} {what}: {_some([f'{t} ({n})' for t, n in sorted(found.items())])}", remedy)

    def quality(self) -> Check:
        rows = self._rows("metrics_rules", since=self._now - DAY)
        count = {v: sum(int(str(r["Rules"])) for r in rows if r["Verdict"] == v) for v in ("FAILED", "WARNING", "VALID")}
        tables = sorted({str(r["TableName"]) for r in rows if r["Verdict"] != "VALID"})
        detail = f"{count['FAILED']} rules failed, {count['WARNING']} warned, {count['VALID']} held in 24 h"
        status = FAIL if count["FAILED"] else WARN if count["WARNING"] else OK
        return Check("quality", status, f"{detail}{f': {_some(tables)}' if tables else ''}", "etl.vw_DQ_TopViolations" if tables else "")

    def certificates(self) -> Check:
        rows = self._rows("metrics_certificates")
        unequal = [str(r["TableName"]) for r in rows if r["Status"] != "equal"]
        if unequal:
            return Check("certificates", FAIL, f"source and ODS differ: {_some(unequal)}", "cbm-etl verify T, then cbm-etl repair T")
        return Check("certificates", OK, f"{len(rows)} of {len(self._tables)} tables proven equal at their last verification")

    def breakers(self) -> Check:
        open_ones = [b for b in self._control.breakers().values() if b.state is not BreakerState.CLOSED]
        if open_ones:
            return Check("circuit breakers", FAIL, "; ".join(describe(b) for b in open_ones), "cbm-etl breaker status")
        return Check("circuit breakers", OK, "closed")

    def alerts(self) -> Check:
        rows = [r for r in self._rows("metrics_alerts") if r["AckedUtc"] is None]
        late = [m for m in self._control.alerts().unsent() if m.created and self._age(m.created) > UNSENT_AFTER]
        if late:
            return Check("alerts", FAIL, f"{len(late)} messages were not delivered for over an hour", "cbm-etl alert list")
        if not rows:
            return Check("alerts", OK, "none is open")
        worst = FAIL if any(r["Severity"] == "critical" for r in rows) else WARN
        return Check("alerts", worst, f"{len(rows)} are open: {_some([str(r['AlertKey']) for r in rows])}", "cbm-etl alert list")

    def disks(self) -> list[Check]:
        """One check a file system: home, warehouse and lake usually share one."""
        seen: dict[int, Path] = {}
        for folder in (self._settings.home, self._settings.warehouse_path.parent, *self._lake_folder):
            place = next(p for p in (folder, *folder.parents) if p.exists())
            seen.setdefault(place.stat().st_dev, place)
        return [self._disk(place) for place in seen.values()]

    def _disk(self, place: Path) -> Check:
        usage = shutil.disk_usage(place)
        percent = 100 * usage.free / usage.total
        detail = f"{usage.free / GIB:.1f} GiB free ({percent:.0f} %) under {place}"
        if percent >= self._settings.observability.min_free_percent:
            return Check("disk", OK, detail)
        return Check("disk", FAIL, detail, "cbm-etl lake clean --days N removes old raw files; cbm-etl maintenance old logs")

    def lake(self) -> Check:
        if not self._lake_folder:
            return skipped("lake", f"{self._settings.lake_url} is no local folder")
        sizes = [size for folder in (*self._lake_folder, self._settings.home / "dagster") for size in _sizes(folder)]
        return Check("lake", OK, f"raw files and Dagster's storage: {sum(sizes) / GIB:.2f} GiB in {len(sizes)} files")

    @cached_property
    def _lake_folder(self) -> list[Path]:
        url = self._settings.lake_url
        return [] if "://" in url else [Path(url)]

    @cached_property
    def _tables(self) -> set[str]:
        return {spec.name for spec in self._catalog.values()}

    def _rows(self, name: str, **parameters: object) -> list[dict[str, object]]:
        return self._control.query(statement(name), parameters or None)

    def _age(self, value: object) -> dt.timedelta:
        return self._now - value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else dt.timedelta(0)


def _sizes(folder: Path) -> Iterable[int]:
    for root, _, names in os.walk(folder):
        for name in names:
            path = Path(root, name)
            if path.exists():  # a load publishes and removes files meanwhile
                yield path.stat().st_size


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")


def _span(age: dt.timedelta) -> str:
    minutes = age.total_seconds() / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
