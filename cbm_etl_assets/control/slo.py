"""etl.SLO_Status and etl.SLO_Schedule: the last evaluation of every objective, and since when a schedule is promised.

Owns the rows and what must outlive a restart: since when an objective is in its state. What the numbers mean is `slo`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from cbm_etl_assets.control.database import Database, Row
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.errors import TransientControlError

T = TypeVar("T")
# Two processes that evaluate at once replace the same rows: on a server the second insert is refused, and sees them next time.
_ROUNDS = 10


@dataclass(frozen=True)
class SloRow:
    """One row of etl.SLO_Status; `table_name` '' = the platform. `since` None = written as now."""

    table_name: str
    slo: str
    state: str
    objective: float
    alert: float
    unit: str
    measured: float | None
    p50: float | None
    p99: float | None
    total: int
    bad: int
    budget_left: float | None
    burn: float | None
    page_burn: float | None
    ticket_burn: float | None
    since: dt.datetime | None = None


@dataclass(frozen=True)
class Promise:
    """`known`: since when the table is declared; `scheduled`: since when with this schedule. Aware UTC."""

    table: str
    cron: str
    timezone: str
    known: dt.datetime
    scheduled: dt.datetime


def record(database: Database, rows: Sequence[SloRow], now: dt.datetime) -> list[SloRow]:
    """Replace the evaluation. Returns the rows with `since` as kept: a state that did not change keeps its beginning."""
    return _again(lambda: _record(database, rows, now))


def _record(database: Database, rows: Sequence[SloRow], now: dt.datetime) -> list[SloRow]:
    with database.transaction() as session:
        known = {(str(r["TableName"]), str(r["SloName"])): r for r in session.rows(statement("slo_status_read"))}
        dated = [replace(row, since=_since(row, known.get((row.table_name, row.slo)), now)) for row in rows]
        session.execute(statement("slo_status_delete"))
        session.execute_many(statement("slo_status_insert"), [{**vars(row), "evaluated": now} for row in dated])
    return dated


def _since(row: SloRow, known: Row | None, now: dt.datetime) -> dt.datetime:
    if known is None or known["SLOStatus"] != row.state:
        return now
    return _aware(known["SinceUtc"], now)


def promises(database: Database, wanted: Mapping[str, tuple[str, str]], now: dt.datetime) -> dict[str, Promise]:
    """`wanted`: table -> (cron, timezone), cron '' without a schedule. Writes what is new or changed, forgets what is gone.

    A table seen for the first time is known since its first load, so that the journal of before counts.
    """
    return _again(lambda: _promises(database, wanted, now))


def _promises(database: Database, wanted: Mapping[str, tuple[str, str]], now: dt.datetime) -> dict[str, Promise]:
    known = {str(r["TableName"]): _promise(r, now) for r in database.read(statement("slo_schedule_read"))}
    new = {name for name in wanted if name not in known}
    first = {str(r["TableName"]): _aware(r["StartedUtc"], now) for r in database.read(statement("slo_first"))} if new else {}
    found: dict[str, Promise] = {}
    for name, (cron, timezone) in wanted.items():
        held = known.get(name)
        if held is None:
            since = min(first.get(name, now), now)
            found[name] = Promise(name, cron, timezone, since, since)
        else:
            same = (held.cron, held.timezone) == (cron, timezone)
            found[name] = held if same else replace(held, cron=cron, timezone=timezone, scheduled=now)
    _write(database, [p for name, p in found.items() if known.get(name) != p], [name for name in known if name not in found])
    return found


def _again(work: Callable[[], T]) -> T:
    for _ in range(_ROUNDS - 1):
        try:
            return work()
        except TransientControlError:
            continue
    return work()


def _write(database: Database, changed: Sequence[Promise], gone: Sequence[str]) -> None:
    if not changed and not gone:
        return
    with database.transaction() as session:
        for name in [*gone, *(p.table for p in changed)]:
            session.execute(statement("slo_schedule_delete"), {"table_name": name})
        session.execute_many(statement("slo_schedule_insert"), [
            {"table_name": p.table, "cron": p.cron, "timezone": p.timezone, "known": p.known, "scheduled": p.scheduled} for p in changed
        ])  # fmt: skip


def _promise(row: Row, now: dt.datetime) -> Promise:
    known, scheduled = _aware(row["KnownUtc"], now), _aware(row["ScheduledUtc"], now)
    return Promise(str(row["TableName"]), str(row["Cron"]), str(row["Timezone"]), known, scheduled)


def _aware(value: object, default: dt.datetime) -> dt.datetime:
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) else default
