"""The run log: a STARTED row before anything else, closed once, orphans of killed runs closed by the next start.

Owns etl.ETL_Log, etl.Metrics and the mirror etl.Watermark. Takes no lock and decides nothing about data.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from cbm_etl_assets.control.database import Database, Row, Session
from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.errors import ControlError
from cbm_etl_assets.reliability.process import is_dead, owner_process, process_owner

OUTCOMES = (
    "read", "inserted", "updated", "unchanged", "superseded", "resurrected", "deduplicated", "quarantined", "filtered", "deleted",
)  # fmt: skip
NOT_FRESH = ("partition", "sweep", "repair")  # loads of some rows or of keys: they make no table fresh
STATUSES = ("success", "failed", "busy", "skipped")
# For a caller that logs before it locks: a run waits 30 s for its table's lock by default and holds it afterwards. One that
# is older than this and holds nothing has lost its process, here (pid used again) or on a host whose processes are unseen.
ORPHAN_GRACE = dt.timedelta(minutes=15)


def start_log(database: Database, entry: LogStart, now: dt.datetime) -> int:
    owner = process_owner(entry.run_id)
    values: Row = {
        "run_id": entry.run_id, "table_name": entry.table, "started": entry.started_at_utc, "layer": entry.layer,
        "partition_key": entry.partition, "mode": entry.mode, "owner": owner,
    }  # fmt: skip
    with database.transaction() as session:
        _close_orphans(session, entry, owner, now)
        session.execute(statement("log_start"), values)
        found = session.rows(statement("log_started_id"), {"run_id": entry.run_id, "table_name": entry.table, "owner": owner})
    return int(str(found[0]["LogId"]))


def _close_orphans(session: Session, entry: LogStart, owner: str, now: dt.datetime) -> None:
    started = [row for row in session.rows(statement("log_open"), {"table_name": entry.table}) if row["Owner"] != owner]
    if not started:
        return
    holder = _live_holder(session, entry.table, now)
    mine = holder is not None and holder == owner_process(owner)
    for row in started:
        # Under this process's own lock nobody else can be loading the table.
        if mine or _is_orphan(row, holder, now):
            session.execute(statement("log_orphan"), {"log_id": row["LogId"], "ended": now})


def reap(database: Database, now: dt.datetime) -> int:
    """Close the STARTED rows whose run is surely over: a dead process of this host, or old and holding nothing."""
    closed = 0
    with database.transaction() as session:
        for row in session.rows(statement("log_open_all"), {}):
            if _is_orphan(row, _live_holder(session, str(row["TableName"]), now), now):
                closed += session.execute(statement("log_orphan"), {"log_id": row["LogId"], "ended": now})
    return closed


def _live_holder(session: Session, table: str, now: dt.datetime) -> tuple[str, int] | None:
    rows = session.rows(statement("lock_read"), {"table_name": table})
    if not rows or not rows[0]["Owner"]:
        return None
    expires = rows[0]["ExpiresUtc"]
    alive = isinstance(expires, dt.datetime) and expires > _naive(now)
    return owner_process(str(rows[0]["Owner"])) if alive else None


def _is_orphan(row: Row, holder: tuple[str, int] | None, now: dt.datetime) -> bool:
    owner = str(row["Owner"])
    if is_dead(owner):
        return True
    started = row["StartedUtc"]
    old = not isinstance(started, dt.datetime) or _naive(now) - started > ORPHAN_GRACE
    return old and owner_process(owner) != holder


def end_log(database: Database, log_id: int, end: LogEnd) -> None:
    """Raises: ControlError for an unknown status, outcome or log row."""
    _check(end)
    with database.transaction() as session:
        found = session.rows(statement("log_one"), {"log_id": log_id})
        if not found:
            raise ControlError(f"No log row {log_id} in etl.ETL_Log.", remedy="was the control database replaced during the load?")
        session.execute(statement("log_end"), _end_values(log_id, end, found[0]))
    if end.status == "success" and (end.mode or found[0]["Mode"]) not in NOT_FRESH:
        # In config.db on SQLite, so in a transaction of its own.
        with database.transaction() as session:
            session.execute(statement("last_success"), {"table_name": found[0]["TableName"], "ended": end.ended_at_utc})


def _check(end: LogEnd) -> None:
    if end.status not in STATUSES:
        raise ControlError(f"Unknown log status '{end.status}'. Known: {', '.join(STATUSES)}.")
    unknown = sorted(set(end.rows) - set(OUTCOMES))
    if unknown:
        raise ControlError(f"Unknown row outcome {', '.join(unknown)}. Known: {', '.join(OUTCOMES)}.")


def _end_values(log_id: int, end: LogEnd, started: Row) -> Row:
    begun = started["StartedUtc"]
    duration = (_naive(end.ended_at_utc) - begun).total_seconds() if isinstance(begun, dt.datetime) else None
    return {
        "log_id": log_id, "status": end.status, "mode": end.mode or started["Mode"], "ended": end.ended_at_utc, "duration": duration,
        "extract_seconds": end.extract_seconds, "transform_seconds": end.transform_seconds,
        "load_seconds": end.load_seconds, "merge_seconds": end.merge_seconds,
        **{outcome: end.rows.get(outcome, 0) for outcome in OUTCOMES},
        "bytes": end.bytes, "attempts": end.attempts, "error_class": end.error_class or None,
        "error_message": end.error_message or None, "high_water": end.high_water, "seq": end.seq,
    }  # fmt: skip


def add_metrics(database: Database, run_id: str, table: str, values: dict[str, float], now: dt.datetime) -> None:
    rows: list[Row] = [
        {"run_id": run_id, "table_name": table, "log_ts": now, "metric": name, "value": float(value)} for name, value in values.items()
    ]
    if rows:
        with database.transaction() as session:
            session.execute_many(statement("metric_add"), rows)


def set_watermark(database: Database, values: Row, now: Callable[[], dt.datetime]) -> None:
    """A mirror for people: it follows the warehouse, backwards too when the warehouse was rebuilt."""
    row = {**values, "updated": now()}
    with database.transaction() as session:
        if session.execute(statement("watermark_update"), row) == 0:
            session.execute(statement("watermark_insert"), row)


def _naive(stamp: dt.datetime) -> dt.datetime:
    return stamp.astimezone(dt.UTC).replace(tzinfo=None) if stamp.tzinfo else stamp
