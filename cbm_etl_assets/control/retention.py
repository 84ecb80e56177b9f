"""Old rows of the journal leave; what still says something stays: the last row of each kind, what is open, every certificate.

Owns which rows. How old is a setting; when is the maintenance job's.
"""

from __future__ import annotations

import datetime as dt

from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.sql import statement

# (table, statement). Certificates, drift and alerts' state are small or proof, and are kept.
PRUNED = (
    ("ETL_Log", "prune_log"), ("DataQuality_Log", "prune_quality"), ("Metrics", "prune_metrics"), ("Quarantine", "prune_quarantine"),
)  # fmt: skip
# One transaction removes a week at most: the first run on years of rows must not hold SQLite's write lock past its 30 s.
STEP = dt.timedelta(days=7)


def prune(database: Database, before: dt.datetime) -> dict[str, int]:
    """Remove what is older. Returns rows removed by table."""
    removed = dict.fromkeys((table for table, _ in PRUNED), 0)
    for until in _steps(database, before):
        for table, name in PRUNED:
            with database.transaction() as session:
                removed[table] += session.execute(statement(name), {"before": until})
    return removed


def _steps(database: Database, before: dt.datetime) -> list[dt.datetime]:
    oldest = database.read(statement("prune_oldest"))[0]["LogTs"]
    first = oldest.replace(tzinfo=dt.UTC) if isinstance(oldest, dt.datetime) else before
    steps = []
    until = first + STEP
    while until < before:
        steps.append(until)
        until += STEP
    return [*steps, before]
