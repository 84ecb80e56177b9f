"""The figures against values worked out by hand."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from cbm_etl_assets.dashboards import figures, quality
from cbm_etl_assets.dashboards.figures import Filters
from cbm_etl_assets.dashboards.journal import RULE_COLUMNS, RUN_COLUMNS, SMALL, Row, Snapshot

NOW = dt.datetime(2026, 11, 21, 12, 0)


def snapshot(runs: list[Row] | None = None, rules: list[Row] | None = None, **small: list[Row]) -> Snapshot:
    run: Row = {
        "RunId": "r", "TableName": "client", "Mode": "incremental", "Status": "success", "PartitionKey": "", "DurationSeconds": 1.0,
        "RowsRead": 10, "RowsInserted": 1, "RowsUpdated": 2, "RowsDeleted": 0, "BytesRead": 100, "ErrorClass": None,
    }  # fmt: skip
    rule: Row = {
        "TableName": "client", "Layer": "stg", "RuleName": "r", "RuleKind": "range", "ColumnName": "c", "RuleText": "t",
        "Severity": "ERROR", "Verdict": "VALID", "RowsChecked": 5, "RowsFailed": 0, "PercentFailed": 0.0,
    }  # fmt: skip
    rows = [{"LogId": i, "StartedUtc": NOW, "EndedUtc": NOW, **run, **given} for i, given in enumerate(runs or [], 1)]
    results = [{"LogId": i, "LogTs": NOW, **rule, **given} for i, given in enumerate(rules or [], 1)]
    return Snapshot(
        NOW,
        pl.DataFrame(rows, schema=RUN_COLUMNS),
        pl.DataFrame(results, schema=RULE_COLUMNS),
        {name: small.get(name, []) for name in SMALL},
    )


def ago(**delta: float) -> dt.datetime:
    return NOW - dt.timedelta(**delta)


def test_p95_is_the_nearest_rank_and_silent_below_twenty_samples() -> None:
    twenty = snapshot([{"DurationSeconds": float(i), "StartedUtc": ago(hours=i)} for i in range(1, 21)])
    [row] = figures.latency(twenty, Filters())
    assert (row["p50"], row["p95"], row["p99"], row["last"]) == (10.0, 19.0, 20.0, 20.0)
    nineteen = snapshot([{"DurationSeconds": float(i), "StartedUtc": ago(hours=i)} for i in range(1, 20)])
    [row] = figures.latency(nineteen, Filters())
    assert (row["p95"], row["loads"]) == (None, 19)


def test_a_backfill_makes_no_table_fresh_but_is_its_last_load() -> None:
    shown = snapshot([{"StartedUtc": ago(hours=50)}, {"StartedUtc": ago(hours=1), "Mode": "partition", "PartitionKey": "2024-01-01"}])
    [row] = figures.last_runs(shown, Filters())
    assert (row["Mode"], row["age_hours"]) == ("partition", 50.0)


def test_error_rate_leaves_out_what_did_not_end() -> None:
    shown = snapshot([{"Status": s} for s in ("success", "success", "failed", "started", "busy")])
    assert figures.error_rate(shown, Filters(), 7) == pytest.approx(1 / 3)
    assert figures.error_rate(snapshot(), Filters(), 7) is None


def test_days_without_a_load_are_there_with_nothing() -> None:
    shown = snapshot([{"StartedUtc": ago(days=2), "RowsRead": 7}, {"Status": "failed", "RowsRead": 99}])
    days = figures.per_day(shown, Filters(days=7))
    assert [str(d["day"]) for d in days] == [f"2026-11-{n}" for n in range(15, 22)]
    assert [(d["RowsRead"], d["good"], d["bad"]) for d in days[-3:]] == [(7, 1, 0), (0, 0, 0), (0, 0, 1)]


def test_durations_are_counted_at_their_bounds() -> None:
    shown = snapshot([{"DurationSeconds": s} for s in (0.2, 1.0, 1.1, 60.0, 5000.0)] + [{"DurationSeconds": 3.0, "Status": "failed"}])
    assert figures.durations(shown, Filters()) == [2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1]


def test_filters_keep_one_table_and_one_period() -> None:
    shown = snapshot([{"TableName": "stock"}, {"StartedUtc": ago(days=8)}, {"StartedUtc": ago(days=6)}])
    assert [r["TableName"] for r in figures.performance(shown, Filters())] == ["client", "stock"]
    [row] = figures.performance(shown, Filters("client", 7))
    assert (row["good"], row["rows_per_second"], row["p95"]) == (1, 10.0, None)


def test_next_runs_follow_the_cron_in_its_own_zone() -> None:
    table: Row = {
        "TableName": "client",
        "TableGroup": "g",
        "Priority": "high",
        "ScheduleCron": "0 2 * * *",
        "ScheduleTimezone": "Europe/Paris",
    }
    never: Row = {**table, "TableName": "never", "ScheduleCron": "0 0 31 2 *"}
    none: Row = {**table, "TableName": "none", "ScheduleCron": None}
    found = figures.next_runs(snapshot(schedules=[never, table, none]), Filters())
    assert [(r["TableName"], str(r["due"])) for r in found] == [("client", "2026-11-22 01:00:00")]


def test_running_loads_show_how_long_and_what_is_usual() -> None:
    shown = snapshot([{"StartedUtc": ago(minutes=3), "Status": "started", "EndedUtc": None, "DurationSeconds": None}])
    [row] = figures.running(shown, Filters())
    assert (row["elapsed"], row["p95"]) == (180.0, None)


def test_the_worst_verdict_of_a_day_colours_its_cell() -> None:
    shown = snapshot(
        rules=[{"Verdict": "VALID"}, {"Verdict": "WARNING"}, {"Verdict": "SKIPPED"}, {"Verdict": "FAILED", "LogTs": ago(days=1)}],
        declared=[
            {"TableName": "client", "Rules": 2, "ColumnsTotal": 4, "ColumnsCovered": 1},
            {"TableName": "stock", "Rules": 0, "ColumnsTotal": 0, "ColumnsCovered": 0},
        ],
    )  # fmt: skip
    days, rows = quality.heat_map(shown, Filters(days=7))
    assert len(days) == 7
    assert [row["table"] for row in rows] == ["client", "stock"]
    assert rows[0]["cells"][-2:] == [("FAILED", 1, 1), ("WARNING", 2, 1)]  # type: ignore[index]
    assert set(rows[1]["cells"]) == {("", 0, 0)}  # type: ignore[call-overload]
    assert quality.passed_ratio(shown, Filters()) == pytest.approx(2 / 3)
    assert [(r["TableName"], r["evaluated"], r["share"]) for r in quality.coverage(shown, Filters())] == [
        ("client", 1, 0.25),
        ("stock", 0, None),
    ]


def test_violations_come_worst_first() -> None:
    shown = snapshot(rules=[
        {"RuleName": "often", "Verdict": "WARNING", "RowsFailed": 3}, {"RuleName": "often", "Verdict": "WARNING", "RowsFailed": 4},
        {"RuleName": "bad", "Verdict": "FAILED", "RowsFailed": 1}, {"RuleName": "good"},
    ])  # fmt: skip
    found = quality.top_violations(shown, Filters())
    assert [(r["RuleName"], r["times"], r["RowsFailed"]) for r in found] == [("bad", 1, 1), ("often", 2, 7)]
