"""Preflight: everything that can be wrong before a load, each with its remedy, nothing loaded.

Owns the checks of the machine and of the source, and the order. The checks of one table are in pipeline.preflight_table.
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from cbm_etl_assets.errors import BusyError, CbmError, MissingDependencyError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.circuits import describe
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.reliability.breaker import BreakerState
from cbm_etl_assets.source.dialects import DIALECTS, dialect, profile_of
from cbm_etl_assets.warehouse.port import Advises

GIB = 1024**3
# A load needs room for its raw files, its staging rows and the changed rows of the merge at the same time.
DISK_FAIL_BYTES, DISK_WARN_BYTES = 1 * GIB, 5 * GIB
# A minute is network and rounding; an hour is a wrong zone: the watermark is compared with the source's clock only, but
# schedules and partitions follow the host's.
SKEW_WARN, SKEW_ZONE = dt.timedelta(minutes=1), dt.timedelta(minutes=55)


class CheckStatus(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Check:
    """`name` is the subject, with its table where it has one ('key client')."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str = ""


def preflight(platform: Platform, specs: Sequence[TableSpec]) -> list[Check]:
    """Never raises for what a check finds: a typed error becomes a failed check."""
    from cbm_etl_assets.pipeline.preflight_table import check_table

    checks = _source_checks(platform)
    reachable = all(check.status is not CheckStatus.FAIL for check in checks)
    checks += [
        attempt("disk", lambda: _disk(platform.settings.home)),
        attempt("warehouse", lambda: _warehouse(platform)),
        attempt("control", lambda: _control(platform)),
        attempt("lake", lambda: _lake(platform)),
        attempt("breaker", lambda: _breaker(platform)),
    ]
    for spec in specs:
        checks += check_table(platform, spec) if reachable else [skipped(f"table {spec.name}", "the source does not answer")]
    return checks


def attempt(name: str, work: Callable[[], Check]) -> Check:
    """The check, or its failure in the words of the typed error."""
    try:
        return work()
    except CbmError as error:
        return Check(name, CheckStatus.FAIL, error.message, error.remedy)


def skipped(name: str, why: str) -> Check:
    return Check(name, CheckStatus.SKIP, why)


def _source_checks(platform: Platform) -> list[Check]:
    """driver, source, dialect, clock: one question each, the later ones skipped when an earlier one fails."""
    declared = platform.settings.source.dialect
    rest = [skipped(name, "the source does not answer") for name in ("dialect", "clock")]
    try:
        clock = platform.source.clock()
    except MissingDependencyError as error:
        return [Check("driver", CheckStatus.FAIL, error.message, error.remedy), skipped("source", "no driver"), *rest]
    except CbmError as error:
        other = _answers_as(platform, declared)
        if other is None:
            return [Check("source", CheckStatus.FAIL, error.message, error.remedy), *rest]
        return [Check(
            "dialect", CheckStatus.FAIL, f"the source answers as '{other}', '{declared}' is declared ({error.message})",
            f"set CBM_SOURCE__DIALECT={other}",
        ), skipped("clock", "wrong dialect")]  # fmt: skip
    return [
        _driver(platform),
        Check("source", CheckStatus.OK, "login and a first query work"),
        _dialect(platform, declared),
        _clock(platform, clock),
    ]


def _driver(platform: Platform) -> Check:
    secret = platform.settings.source.connection_string
    profile = profile_of(secret.get_secret_value()).name if secret else "none"
    known = profile != "any"
    return Check(
        "driver", CheckStatus.OK if known else CheckStatus.WARN, f"loaded, profile '{profile}'",
        "" if known else "the driver has no profile: compare one load value by value (cbm-etl profile, demo) before trusting it",
    )  # fmt: skip


def _dialect(platform: Platform, declared: str) -> Check:
    """OpenEdge alone knows SYSPROGRESS.SYSCALCTABLE: declared `openedge`, the clock has just proven it."""
    if declared != "openedge" and _answers_as(platform, declared) == "openedge":
        return Check(
            "dialect", CheckStatus.FAIL, f"the source is an OpenEdge database, '{declared}' is declared: reads would take record locks",
            "set CBM_SOURCE__DIALECT=openedge",
        )  # fmt: skip
    return Check("dialect", CheckStatus.OK, f"the source answers as '{declared}'")


def _answers_as(platform: Platform, declared: str) -> str | None:
    """Another dialect whose clock statement the source understands."""
    for name in sorted(set(DIALECTS) - {declared}):
        try:
            platform.source.query(dialect(name).clock_sql)
        except CbmError:
            continue  # it does not understand that one: what the probe asks
        return name
    return None


def _clock(platform: Platform, clock: dt.datetime) -> Check:
    zone = platform.settings.source.timezone
    skew = clock - platform.now().astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    side = "ahead of" if skew > dt.timedelta(0) else "behind"
    detail = f"source {clock:%Y-%m-%d %H:%M:%S}, {abs(skew).total_seconds():.0f} s {side} this host in {zone}"
    if abs(skew) < SKEW_WARN:
        return Check("clock", CheckStatus.OK, detail)
    remedy = (
        "set CBM_SOURCE__TIMEZONE to the zone of the source's wall clock" if abs(skew) >= SKEW_ZONE else "synchronise both clocks (NTP)"
    )
    return Check("clock", CheckStatus.WARN, detail, remedy)


def _disk(home: Path) -> Check:
    folder = next(p for p in (home.absolute(), *home.absolute().parents) if p.exists())
    free = shutil.disk_usage(folder).free
    detail = f"{free / GIB:.1f} GiB free under {home}"
    if free >= DISK_WARN_BYTES:
        return Check("disk", CheckStatus.OK, detail)
    status = CheckStatus.FAIL if free < DISK_FAIL_BYTES else CheckStatus.WARN
    return Check("disk", status, detail, "free space, or set CBM_HOME to a larger disk; cbm-etl lake clean --days N removes old raw files")


def _warehouse(platform: Platform) -> Check:
    platform.warehouse.prepare()
    detail = f"{platform.warehouse.name}: open and writable"
    advice = platform.warehouse.advice() if isinstance(platform.warehouse, Advises) else ()
    return Check("warehouse", CheckStatus.WARN if advice else CheckStatus.OK, detail, "; ".join(advice))


def _control(platform: Platform) -> Check:
    platform.control.upgrade()
    try:
        with platform.control.lock("_preflight", "preflight", wait_seconds=5, ttl_seconds=30):
            return Check("control", CheckStatus.OK, "schema up to date, a lock taken and given back")
    except BusyError:
        return Check("control", CheckStatus.OK, "schema up to date; another preflight holds the probe lock")


def _breaker(platform: Platform) -> Check:
    """Shown, not obeyed: what the source answers now is told by the checks above."""
    tripped = [found for found in platform.control.breakers().values() if found.state is not BreakerState.CLOSED]
    if not tripped:
        return Check("breaker", CheckStatus.OK, "closed: loads may ask the source and the warehouse")
    said = "; ".join(f"{found.resource}: {describe(found)}" for found in tripped)
    return Check("breaker", CheckStatus.WARN, said, "loads go on at the next probe; at once: cbm-etl breaker reset")


def _lake(platform: Platform) -> Check:
    platform.lake.probe()
    return Check("lake", CheckStatus.OK, f"{platform.lake.url}: a file written and removed")
