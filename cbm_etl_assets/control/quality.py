"""etl.DataQuality_Log: what each rule found in each load, and the sizes of past loads that the volume rule compares with.

Owns the rows. What a rule means and when it stops a load is `quality` and `pipeline.validate`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.port import PastLoad, QualityRow
from cbm_etl_assets.control.sql import statement


def add(database: Database, rows: Sequence[QualityRow], now: dt.datetime) -> None:
    """All rules of a load in one transaction: a reader sees the whole verdict or none of it."""
    if not rows:
        return
    with database.transaction() as session:
        session.execute_many(statement("quality_add"), [{**asdict(row), "blocking": int(row.blocking), "log_ts": now} for row in rows])


def past_loads(database: Database, table: str, mode: str, since: dt.datetime) -> list[PastLoad]:
    """Successful loads of that table and mode, oldest first."""
    found = database.read(statement("quality_history"), {"table_name": table, "mode": mode, "since": since})
    return [PastLoad(_stamp(row["StartedUtc"]), int(str(row["RowsRead"] or 0))) for row in found]


def _stamp(value: object) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
