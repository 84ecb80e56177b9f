"""etl.DataQuality_Log and etl.DQ_Declared: what rules found in each load, what specs declare, and the sizes of past loads.

Owns the rows. What a rule means and when it stops a load is `quality` and `pipeline.validate`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.port import PastLoad, QualityRow
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.metadata.spec import TableSpec

_COUNTS = ("Rules", "BlockingRules", "RejectRules", "ColumnsTotal", "ColumnsCovered")
_PARAMETERS = ("rules", "blocking_rules", "reject_rules", "columns_total", "columns_covered")


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


def declare(database: Database, specs: Sequence[TableSpec]) -> None:
    """Make etl.DQ_Declared equal to `specs` (the whole catalogue). Writes nothing where nothing changed."""
    wanted = {spec.name: _declared(spec) for spec in specs}
    known = {str(row["TableName"]): tuple(int(str(row[name])) for name in _COUNTS) for row in database.read(statement("dq_declared_read"))}
    if wanted == known:
        return
    with database.transaction() as session:
        for name in known:
            session.execute(statement("dq_declared_delete"), {"table_name": name})
        rows = [{"table_name": name, **dict(zip(_PARAMETERS, counts, strict=True))} for name, counts in wanted.items()]
        session.execute_many(statement("dq_declared_insert"), rows)


def _declared(spec: TableSpec) -> tuple[int, ...]:
    rules, columns = spec.rules, [name for name, _ in spec.target_columns]
    covered = {name for rule in rules for name in rule.columns}
    return (len(rules), sum(r.blocking for r in rules), sum(r.reject for r in rules), len(columns), len(covered))


def _stamp(value: object) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
