"""Figures of the operations and trends pages: frames in, plain rows out. Pure; knows no page and no database.

Percentiles are nearest rank, never interpolated, and shown from 20 samples on (docs/slo.md).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl

from cbm_etl_assets.dashboards.journal import Row, Snapshot

MIN_SAMPLES = 20
LATENCY_DAYS = 7
TIMED = pl.col("Mode").is_in(["full", "incremental"])
ENDED = pl.col("Status").is_in(["success", "failed"])
GOOD, BAD = pl.col("Status") == "success", pl.col("Status") == "failed"
# Upper bounds in seconds; people think in these, not in logarithms.
DURATION_BOUNDS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)


@dataclass(frozen=True)
class Filters:
    """`table` '' = all. `days` is one of PERIODS."""

    table: str = ""
    days: int = 7

    def runs(self, snapshot: Snapshot, days: int | None = None) -> pl.DataFrame:
        return self._rows(snapshot.runs, "StartedUtc", snapshot.now, days)

    def rules(self, snapshot: Snapshot, days: int | None = None) -> pl.DataFrame:
        return self._rows(snapshot.rules, "LogTs", snapshot.now, days)

    def keep(self, rows: list[Row]) -> list[Row]:
        return [row for row in rows if not self.table or row["TableName"] in (self.table, "")]

    def _rows(self, frame: pl.DataFrame, stamp: str, now: dt.datetime, days: int | None) -> pl.DataFrame:
        wanted = pl.col(stamp) >= now - dt.timedelta(days=days or self.days)
        return frame.filter(wanted & (pl.col("TableName") == self.table) if self.table else wanted)


PERIODS = (1, 7, 30, 90)


def nearest_rank(column: str, share: float) -> pl.Expr:
    """None below MIN_SAMPLES."""
    rank = (pl.col(column).len() * share).ceil().cast(pl.Int64) - 1
    return pl.when(pl.col(column).len() >= MIN_SAMPLES).then(pl.col(column).sort().gather(rank.clip(0)).first())


def latency(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """One row a table: its last good load, P50, P95, P99 of LATENCY_DAYS, in seconds."""
    good = filters.runs(snapshot, LATENCY_DAYS).filter(GOOD & TIMED & pl.col("DurationSeconds").is_not_null())
    return good.group_by("TableName").agg(
        pl.col("DurationSeconds").sort_by("LogId").last().alias("last"), pl.len().alias("loads"),
        nearest_rank("DurationSeconds", 0.5).alias("p50"), nearest_rank("DurationSeconds", 0.95).alias("p95"),
        nearest_rank("DurationSeconds", 0.99).alias("p99"),
    ).sort("TableName").to_dicts()  # fmt: skip


def running(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """Loads under way, oldest first, with the P95 of their table to compare with."""
    usual = {row["TableName"]: row["p95"] for row in latency(snapshot, filters)}
    now = filters.runs(snapshot, 90).filter(pl.col("Status") == "started").sort("LogId").to_dicts()
    return [{**row, "elapsed": _seconds(row["StartedUtc"], snapshot.now), "p95": usual.get(row["TableName"])} for row in now]


def last_runs(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """The last ended load of every table, and how old its data is in hours (last good full or incremental load; None = never)."""
    runs = filters.runs(snapshot, 90)
    last = runs.filter(ENDED).sort("LogId").unique("TableName", keep="last", maintain_order=True).sort("TableName")
    fresh = runs.filter(GOOD & TIMED).group_by("TableName").agg(pl.col("StartedUtc").max().alias("AsOf"))
    return [
        {**row, "age_hours": None if row["AsOf"] is None else _seconds(row["AsOf"], snapshot.now) / 3600}
        for row in last.join(fresh, on="TableName", how="left").to_dicts()
    ]


def failures(snapshot: Snapshot, filters: Filters, most: int = 10) -> list[Row]:
    return filters.runs(snapshot).filter(BAD).sort("LogId", descending=True).head(most).to_dicts()


def error_rate(snapshot: Snapshot, filters: Filters, days: int) -> float | None:
    """failed / (failed + success); None without any."""
    ended = filters.runs(snapshot, days).filter(ENDED)
    return None if ended.is_empty() else float(ended.select(BAD.mean()).item())


def per_day(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """One row a UTC day of the period, days without a load included."""
    runs = filters.runs(snapshot).filter(ENDED).with_columns(day=pl.col("StartedUtc").dt.date())
    sums = [pl.col(c).filter(GOOD).sum().alias(c) for c in ("RowsRead", "RowsInserted", "RowsUpdated", "RowsDeleted", "BytesRead")]
    found = {r["day"]: r for r in runs.group_by("day").agg(*sums, GOOD.sum().alias("good"), BAD.sum().alias("bad")).to_dicts()}
    nothing = {"RowsRead": 0, "RowsInserted": 0, "RowsUpdated": 0, "RowsDeleted": 0, "BytesRead": 0, "good": 0, "bad": 0}
    return [found.get(day, {"day": day, **nothing}) for day in days_of(snapshot.now, filters.days)]


def days_of(now: dt.datetime, days: int) -> list[dt.date]:
    """The last `days` days, today included."""
    return [now.date() - dt.timedelta(days=back) for back in range(days - 1, -1, -1)]


def durations(snapshot: Snapshot, filters: Filters) -> list[int]:
    """Good loads by duration: one count for each of DURATION_BOUNDS, and one above."""
    good = filters.runs(snapshot).filter(GOOD & pl.col("DurationSeconds").is_not_null())
    upto = good.select([(pl.col("DurationSeconds") <= bound).sum().alias(str(bound)) for bound in DURATION_BOUNDS]).row(0)
    below = (0, *upto, good.height)
    return [most - least for least, most in pairwise(below)]


def performance(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """One row a table over the period: loads, failures, rows, rows/s, P50 and P95 seconds."""
    ended = filters.runs(snapshot).filter(ENDED)
    seconds = pl.col("DurationSeconds").filter(GOOD).sum()
    timed = ended.filter(GOOD).group_by("TableName").agg(
        nearest_rank("DurationSeconds", 0.5).alias("p50"), nearest_rank("DurationSeconds", 0.95).alias("p95"),
    )  # fmt: skip
    rows = ended.group_by("TableName").agg(
        GOOD.sum().alias("good"), BAD.sum().alias("bad"), pl.col("RowsRead").filter(GOOD).sum(), pl.col("BytesRead").filter(GOOD).sum(),
        pl.when(seconds > 0).then(pl.col("RowsRead").filter(GOOD).sum() / seconds).alias("rows_per_second"),
        pl.col("DurationSeconds").filter(GOOD).mean().alias("mean"),
    )  # fmt: skip
    return rows.join(timed, on="TableName", how="left").sort("TableName").to_dicts()


def next_runs(snapshot: Snapshot, filters: Filters, most: int = 12) -> list[Row]:
    """When each scheduled table is due next (UTC), soonest first."""
    found = [{**row, "due": due} for row in filters.keep(snapshot.small["schedules"]) if (due := _next_slot(row, snapshot.now))]
    return sorted(found, key=lambda row: (row["due"], str(row["TableName"])))[:most]


def _next_slot(row: Row, now: dt.datetime) -> dt.datetime | None:
    from cronsim import CronSim, CronSimError

    if not row["ScheduleCron"]:
        return None
    try:
        calendar = CronSim(str(row["ScheduleCron"]), now.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(str(row["ScheduleTimezone"]))))
        return next(calendar).astimezone(dt.UTC).replace(tzinfo=None)
    except (CronSimError, StopIteration):  # well formed and never due, such as February 31
        return None


def _seconds(since: object, now: dt.datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if isinstance(since, dt.datetime) else 0.0
