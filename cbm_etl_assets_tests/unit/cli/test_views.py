"""status, sql, and the form of what is printed."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from cbm_etl_assets.cli.output import PIPE_WIDTH_MOST, Output, number, table
from cbm_etl_assets.cli.progress import LineProgress
from cbm_etl_assets.cli.status import age, as_utc
from cbm_etl_assets.pipeline.results import LoadEvent
from cbm_etl_assets.warehouse.port import QueryResult
from cbm_etl_assets_tests.unit.cli.fakes import Stage

RUN: dict[str, object] = {
    "TableName": "client", "RunId": "r1", "Mode": "full", "Status": "failed", "StartedUtc": dt.datetime(2026, 2, 28, 11, 0),
    "EndedUtc": "2026-02-28 11:00:30", "DurationSeconds": 30.0, "RowsRead": 1234567, "RowsInserted": 1, "RowsUpdated": 2,
    "RowsUnchanged": 3, "RowsDeleted": 0, "RowsQuarantined": 0, "ErrorClass": "SourceError", "ErrorMessage": "refused",
}  # fmt: skip


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    played = Stage(tmp_path)
    played.control.answers = {
        "vw_LastRuns": [RUN, {"tablename": "gone", "status": "success", "startedutc": None}],
        "Watermark": [{"TableName": "client", "WatermarkTs": dt.datetime(2026, 2, 27, 23, 59, 59)}],
        "vw_SLABreach": [{"TableName": "client", "SLAStatus": "BREACH"}],
    }
    return played


def test_status_says_last_run_age_rows_and_watermark(stage: Stage) -> None:
    entries = {e["table"]: e for e in json.loads(stage.play("status", "--json").out)["tables"]}
    assert list(entries) == ["client", "lignecli", "Stock", "gone"]
    client = entries["client"]
    assert (client["status"], client["age_seconds"], client["rows"]["read"], client["sla"]) == ("failed", 89970.0, 1234567, "BREACH")
    assert (client["watermark"], client["ended_at"]) == ("2026-02-27 23:59:59", "2026-02-28T11:00:30+00:00")
    assert client["error"] == {"class": "SourceError", "message": "refused"}
    assert (entries["lignecli"]["status"], entries["lignecli"]["age_seconds"]) == ("never", None)
    shown = stage.play("status")
    assert (shown.code, "1 d 0 h" in shown.out, "never" in shown.out, "client: refused" in shown.out) == (0, True, True, True)


@pytest.mark.parametrize(("seconds", "text"), [(None, "-"), (5.4, "5 s"), (65, "1 min 5 s"), (3700, "1 h 1 min"), (90061, "1 d 1 h")])
def test_age(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


def test_stamps_of_the_log_are_utc() -> None:
    assert as_utc("2026-03-01T10:00:00+02:00") == dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
    assert as_utc(None) is None


def test_sql_asks_the_warehouse_and_prints_every_type(stage: Stage) -> None:
    row = (1, "a[b]é\x1b", None, Decimal("1.10"), dt.date(2026, 3, 1), b"\x00\xff", True, float("nan"))
    stage.warehouse.answer = QueryResult(tuple("abcdefgh"), [row])
    document = json.loads(stage.play("sql", "SELECT 1", "--json").out)
    assert document["rows"] == [[1, "a[b]é\x1b", None, "1.10", "2026-03-01", "00ff", True, "nan"]]
    assert (document["columns"], document["row_count"]) == (list("abcdefgh"), 1)
    shown = stage.play("sql", "SELECT 1").out
    assert "a[b]é\\x1b" in shown
    assert "NULL" in shown
    assert stage.warehouse.asked == ["SELECT 1", "SELECT 1"]


def test_sql_shows_the_size_of_an_image_and_a_hash_whole(stage: Stage) -> None:
    stage.warehouse.answer = QueryResult(("image", "hash"), [(b"\xff" * 2000, b"\xab" * 32)])
    shown = stage.play("sql", "x").out
    assert f"{'ff' * 16}… (2\u00a0000 bytes)" in shown
    assert "ab" * 32 in shown
    assert json.loads(stage.play("sql", "x", "--json").out)["rows"] == [["ff" * 2000, "ab" * 32]]


def test_sql_shows_at_most_the_limit(stage: Stage) -> None:
    stage.warehouse.answer = QueryResult(("n",), [(i,) for i in range(5)])
    assert "5 rows, 2 shown" in stage.play("sql", "x", "--limit", "2").out
    assert "5 rows\n" in stage.play("sql", "x", "--limit", "0").out
    assert len(json.loads(stage.play("sql", "x", "--limit", "2", "--json").out)["rows"]) == 5


def test_sql_on_the_control_database_reads_only(stage: Stage) -> None:
    assert json.loads(stage.play("sql", "select * from etl.vw_SLABreach;", "--on", "control", "--json").out)["rows"] == [
        ["client", "BREACH"]
    ]
    for statement in ("DROP TABLE etl.ETL_Log", "", "SELECT 1; DROP TABLE etl.ETL_Log"):
        assert stage.play("sql", statement, "--on", "control").code == 2


def test_a_write_to_the_warehouse_is_refused(stage: Stage) -> None:
    played = stage.play("sql", "DELETE FROM ods.client")
    assert (played.code, "Not read-only" in played.err) == (1, True)


def test_names_from_outside_are_no_markup() -> None:
    out = io.StringIO()
    Output(out=out).result({}, table("t", ["[red]x[/red]"], [["[bold]y"]]), "[link=x]z")
    assert all(text in out.getvalue() for text in ("[red]x[/red]", "[bold]y", "[link=x]z"))


def test_numbers_are_grouped() -> None:
    assert (number(1234567), number(1.256, 2), number(None)) == ("1\u00a0234\u00a0567", "1.26", "")


def test_line_progress_says_each_stage_and_a_long_stage_now_and_then() -> None:
    said: list[str] = []
    clock = iter([0.0, 1.0, 2.0, 14.0, 15.0, 16.0])
    progress = LineProgress(said.append, lambda: next(clock))
    for event in (
        LoadEvent("client", "extract", expected_rows=4000),
        LoadEvent("client", "extract", rows=100, expected_rows=4000),
        LoadEvent("client", "extract", rows=200, expected_rows=4000),
        LoadEvent("client", "extract", rows=1400, expected_rows=4000),
        LoadEvent("client", "merge"),
        LoadEvent("client", "done", rows=4000),
    ):
        progress(event)
    assert said[:3] == ["client: reading", "client: reading, 1\u00a0400 rows, 100 rows/s, ETA 26 s", "client: merging"]
    assert said[3].startswith("client: done")


def test_a_pipe_is_as_wide_as_the_table_needs_within_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    out = io.StringIO()
    remedy, memo = "r" * 300 + " end", "x" * 3000
    Output(out=out).result({}, table("", ("check", "remedy"), [("driver", remedy)]), f"one line {remedy}")
    assert f"│ driver │ {remedy} │" in out.getvalue().splitlines()
    assert f"one line {remedy}" in out.getvalue().splitlines()
    Output(out=out).result({}, table("", ("memo",), [(memo,)]))
    assert max(map(len, out.getvalue().splitlines())) == PIPE_WIDTH_MOST
    assert out.getvalue().count("x") == 3000
