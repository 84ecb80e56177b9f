"""A finished run as a tree of spans, from its rows of the journal: run > load of a table > its stages.

Owns that tree. The log keeps how long a stage took, not when it began: stages are laid one after another from the load's start.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.observability.otlp import Span

STAGES = {"extract": "ExtractSeconds", "transform": "TransformSeconds", "load": "LoadSeconds", "merge": "MergeSeconds"}
NUMBERS = {"rows.read": "RowsRead", "rows.inserted": "RowsInserted", "rows.updated": "RowsUpdated", "rows.deleted": "RowsDeleted",
           "rows.quarantined": "RowsQuarantined", "bytes": "BytesRead", "attempts": "Attempts", "seq": "LoadSeq"}  # fmt: skip
Row = Mapping[str, object]


def spans_of(control: Control, run_id: str) -> list[Span]:
    """The run first; empty when the journal knows no ended load of it."""
    rows = control.query(statement("trace_loads"), {"run_id": run_id})
    loads = [span for row in rows for span in _load(run_id, row)]
    if not loads:
        return []
    failed = [str(row["TableName"]) for row in rows if row["Status"] == "failed"]
    error = f"{len(failed)} of {len(rows)} loads failed: {', '.join(failed[:8])}" if failed else ""
    start, end = min(s.start for s in loads), max(s.end for s in loads)
    return [Span(run_id, (), start, end, {"cbm.run_id": run_id, "cbm.tables": len(rows)}, error), *loads]


def _load(run_id: str, row: Row) -> list[Span]:
    start, end = _instant(row["StartedUtc"]), _instant(row["EndedUtc"])
    place = (f"{row['TableName']} {row['PartitionKey']}".strip(),)
    attributes: dict[str, str | int | float | bool] = {
        "cbm.table": str(row["TableName"]), "cbm.layer": str(row["Layer"]), "cbm.mode": str(row["Mode"]), "cbm.status": str(row["Status"]),
        **{f"cbm.{name}": int(str(row[column])) for name, column in NUMBERS.items() if row[column] is not None},
    }  # fmt: skip
    found = [Span(run_id, place, start, end, attributes, str(row["ErrorClass"] or "failed") if row["Status"] == "failed" else "")]
    for stage, column in STAGES.items():
        seconds = float(str(row[column] or 0))
        if seconds > 0:
            found.append(Span(run_id, (*place, stage), start, min(end, start + seconds), {"cbm.seconds": seconds}))
            start = min(end, start + seconds)
    return found


def _instant(value: object) -> float:
    stamp = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))
    return stamp.replace(tzinfo=dt.UTC).timestamp()
