"""etl.SchemaDrift: each change of the source's schema once, from the load that met it until spec or source follow.

Owns the rows. What a change means for a load is `pipeline.drift`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cbm_etl_assets.control.database import Database, Row
from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.control.sql import statement


def record(database: Database, table: str, found: Sequence[DriftRow], *, run_id: str, now: dt.datetime) -> list[DriftRow]:
    """Write what is new, close what is no longer so. Returns the new rows. Writes nothing where nothing changed."""
    known = {row.change: row for row in read(database, table) if row.resolved_utc is None}
    changes = {row.change for row in found}
    new = [row for row in found if row.change not in known]
    gone = [row for change, row in known.items() if change not in changes]
    if new or gone:
        with database.transaction() as session:
            for row in gone:
                session.execute(statement("drift_resolve"), {"drift_id": row.id, "now": now})
            for row in new:
                session.execute(statement("drift_insert"), _values(table, row, run_id, now))
    return new


def read(database: Database, table: str) -> list[DriftRow]:
    return [_row(row) for row in database.read(statement("drift_read"), {"table_name": table})]


def _values(table: str, row: DriftRow, run_id: str, now: dt.datetime) -> Row:
    return {
        "table_name": table, "kind": row.kind, "change_class": row.change_class, "column_name": row.column, "before": row.before[:200],
        "after": row.after[:200], "notes": row.note, "consequence": row.consequence, "run_id": run_id, "now": now,
    }  # fmt: skip


def _row(row: Row) -> DriftRow:
    found, resolved = row["FoundUtc"], row["ResolvedUtc"]
    return DriftRow(
        kind=str(row["ChangeKind"]), change_class=str(row["ChangeClass"]), column=str(row["ColumnName"]), before=str(row["BeforeText"]),
        after=str(row["AfterText"]), note=str(row["Notes"]), consequence=str(row["Consequence"]), id=int(str(row["DriftId"])),
        run_id=str(row["RunId"]), found_utc=found if isinstance(found, dt.datetime) else None,
        resolved_utc=resolved if isinstance(resolved, dt.datetime) else None,
    )  # fmt: skip
