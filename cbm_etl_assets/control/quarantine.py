"""The quarantine: rows of the source that could not be loaded, until their keys load well again.

Owns etl.Quarantine. Which rows are bad, which keys are retried and when an entry is healed is the pipeline's.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cbm_etl_assets.control.database import Database, Row
from cbm_etl_assets.control.port import QuarantineEntry
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.metadata.badrow import BadRow


def add(database: Database, table: str, rows: Sequence[BadRow], *, run_id: str, seq: int, now: dt.datetime) -> None:
    """A row seen before keeps its first stamp; one that was dropped stays dropped; one that was healed is open anew."""
    if not rows:
        return
    with database.transaction() as session:
        for row in rows:
            values: Row = {
                "table_name": table, "key_hash": row.key_hash, "key_json": row.key_json, "can_retry": int(row.can_retry),
                "column_name": row.column, "error_class": row.error_class, "error_message": row.message, "payload": row.payload,
                "run_id": run_id, "seq": seq, "now": now,
            }  # fmt: skip
            if session.execute(statement("quarantine_update"), values) == 0:
                session.execute(statement("quarantine_insert"), values)


def heal(database: Database, table: str, seq: int, now: dt.datetime, key_hashes: Sequence[str] | None) -> None:
    """Close the entries no load since `seq` found bad: those of these keys, or all of the table."""
    values: Row = {"table_name": table, "seq": seq, "now": now}
    with database.transaction() as session:
        if key_hashes is None:
            session.execute(statement("quarantine_heal_all"), values)
        else:
            session.execute_many(statement("quarantine_heal"), [{**values, "key_hash": key} for key in key_hashes])


def drop(database: Database, table: str, ids: Sequence[int]) -> int:
    """Returns how many open entries were dropped."""
    with database.transaction() as session:
        return sum(session.execute(statement("quarantine_drop"), {"table_name": table, "entry_id": one}) for one in ids)


def read(database: Database, table: str | None) -> list[QuarantineEntry]:
    if table is None:
        return [_entry(row) for row in database.read(statement("quarantine_read"))]
    return [_entry(row) for row in database.read(statement("quarantine_read_table"), {"table_name": table})]


def _entry(row: Row) -> QuarantineEntry:
    bad = BadRow(
        key_hash=str(row["KeyHash"]), key_json=str(row["KeyJson"]), can_retry=bool(row["CanRetry"]), column=str(row["ColumnName"]),
        error_class=str(row["ErrorClass"]), message=str(row["ErrorMessage"]), payload=str(row["Payload"]),
    )  # fmt: skip
    return QuarantineEntry(
        id=int(str(row["QuarantineId"])), table=str(row["TableName"]), row=bad, run_id=str(row["RunId"]), seq=int(str(row["LoadSeq"])),
        first_seen_utc=_stamp(row["FirstSeenUtc"]), last_seen_utc=_stamp(row["LastSeenUtc"]), state=str(row["State"]),
    )  # fmt: skip


def _stamp(value: object) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
