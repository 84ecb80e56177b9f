"""What the pages read of the control database, kept in memory between requests.

Owns the two log mirrors (runs, rule results) and the small tables. A mirror asks for the rows after the newest settled one
only, so that a page costs the same with a hundred thousand log rows as with a hundred.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.sql import statement

Row = dict[str, object]
Clock = Callable[[], dt.datetime]
HISTORY_DAYS = 90  # the longest period a page offers
SMALL_SECONDS = 2.0  # small tables are read again after that
_TEXT, _STAMP, _REAL, _WHOLE = pl.String, pl.Datetime("us"), pl.Float64, pl.Int64
RUN_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "LogId": _WHOLE, "RunId": _TEXT, "TableName": _TEXT, "Mode": _TEXT, "Status": _TEXT, "PartitionKey": _TEXT, "StartedUtc": _STAMP,
    "EndedUtc": _STAMP, "DurationSeconds": _REAL, "RowsRead": _WHOLE, "RowsInserted": _WHOLE, "RowsUpdated": _WHOLE, "RowsDeleted": _WHOLE,
    "BytesRead": _WHOLE, "ErrorClass": _TEXT,
}  # fmt: skip
RULE_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "LogId": _WHOLE, "TableName": _TEXT, "LogTs": _STAMP, "Layer": _TEXT, "RuleName": _TEXT, "RuleKind": _TEXT, "ColumnName": _TEXT,
    "RuleText": _TEXT, "Severity": _TEXT, "Verdict": _TEXT, "RowsChecked": _WHOLE, "RowsFailed": _WHOLE, "PercentFailed": _REAL,
}  # fmt: skip
SMALL = ("slo", "alerts", "breakers", "quarantine", "drift", "certificates", "declared", "schedules")


@dataclass
class _Mirror:
    """`settled`: rows that no longer change. Rows from the oldest open run on are read at each refresh."""

    name: str
    columns: dict[str, pl.DataType | type[pl.DataType]]
    stamp: str
    settled: pl.DataFrame = field(init=False)
    last_id: int = 0

    def __post_init__(self) -> None:
        self.settled = pl.DataFrame(schema=self.columns)

    def refresh(self, control: Control, now: dt.datetime) -> pl.DataFrame:
        since = now - dt.timedelta(days=HISTORY_DAYS)
        rows = control.query(statement(f"dash_{self.name}"), {"after": self.last_id, "since": since})
        fresh = pl.DataFrame([[row[name] for name in self.columns] for row in rows], schema=self.columns, orient="row")
        everything = pl.concat([self.settled, fresh])
        done = fresh
        if "Status" in self.columns and (first_open := fresh.filter(pl.col("Status") == "started").get_column("LogId").min()) is not None:
            done = fresh.filter(pl.col("LogId") < first_open)
        if done.height:
            self.settled = pl.concat([self.settled, done]).filter(pl.col(self.stamp) >= since).rechunk()
            self.last_id = int(str(done.get_column("LogId").max()))
        return everything


@dataclass(frozen=True)
class Snapshot:
    """Everything a page may show, as of `now` (naive UTC). Frames: RUN_COLUMNS, RULE_COLUMNS, oldest first."""

    now: dt.datetime
    runs: pl.DataFrame
    rules: pl.DataFrame
    small: dict[str, list[Row]]


class Journal:
    """Safe to share between threads; one refresh at a time."""

    def __init__(self, control: Control, now: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._control, self._now, self._monotonic = control, now, monotonic
        self._guard = threading.Lock()
        self._runs = _Mirror("runs", RUN_COLUMNS, "StartedUtc")
        self._rules = _Mirror("rules", RULE_COLUMNS, "LogTs")
        self._small: dict[str, list[Row]] = {}
        self._small_until = float("-inf")

    def snapshot(self) -> Snapshot:
        """Raises: ControlError, TransientControlError."""
        with self._guard:
            now = self._now()
            return Snapshot(now, self._runs.refresh(self._control, now), self._rules.refresh(self._control, now), self._smalls())

    def errors(self, ids: Sequence[int]) -> dict[int, str]:
        """Messages of these log rows: they are long, so they are not mirrored."""
        found: dict[int, str] = {}
        for one in ids:
            for row in self._control.query(statement("dash_error"), {"log_id": one}):
                found[one] = str(row["ErrorMessage"] or "")
        return found

    def _smalls(self) -> dict[str, list[Row]]:
        if self._monotonic() >= self._small_until:
            self._small = {name: self._control.query(statement(f"dash_{name}")) for name in SMALL}
            self._small_until = self._monotonic() + SMALL_SECONDS
        return self._small
