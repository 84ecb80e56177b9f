"""run and backfill: which tables, which options, which exit code, which JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.cli.load import Choice, choose, exit_code, total_line
from cbm_etl_assets.errors import ConfigurationError, UnknownTableError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline import batch
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode, StageSeconds, Status
from cbm_etl_assets.warehouse.port import Outcome
from cbm_etl_assets_tests.unit.cli.fakes import CANARY, CATALOG, Stage


class Loader:
    """Takes the place of the loop over tables."""

    def __init__(self) -> None:
        self.asked: list[tuple[list[str], LoadOptions, dict[str, Any]]] = []
        self.failing: dict[str, LoadResult] = {}

    def __call__(self, platform: Any, specs: Sequence[TableSpec], options: LoadOptions, **more: Any) -> list[LoadResult]:
        more.pop("on_event")
        self.asked.append(([s.name for s in specs], options, more))
        return [self.failing.get(s.name) or good(s.name) for s in specs]


def good(name: str) -> LoadResult:
    outcome = Outcome(read=10, inserted=7, unchanged=3)
    return LoadResult(name, Status.SUCCESS, Mode.FULL, "r1", outcome=outcome, seconds=StageSeconds(extract=2.0), t0=dt.datetime(2026, 3, 1))


def bad(name: str, status: Status = Status.FAILED, code: int = 1) -> LoadResult:
    return LoadResult(name, status, Mode.AUTO, "r1", error_class="SourceError", error_message=f"refused {CANARY}", exit_code=code)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    played = Loader()
    monkeypatch.setattr(batch, "load_tables", played)
    return played


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (Choice(("CLIENT", "client")), ["client"]),
        (Choice(everything=True), ["client", "lignecli", "Stock"]),
        (Choice(tag="domain"), ["client"]),
        (Choice(tag="domain=crm"), ["client"]),
        (Choice(group="ventes", priority="high"), ["lignecli"]),
    ],
)
def test_choice(choice: Choice, names: list[str]) -> None:
    assert [s.name for s in choose(CATALOG, choice)] == names


@pytest.mark.parametrize(
    "choice", [Choice(), Choice(("client",), everything=True), Choice(tag="domain=x"), Choice(priority="normal", group="tiers")]
)
def test_a_choice_of_nothing_is_refused(choice: Choice) -> None:
    with pytest.raises(ConfigurationError):
        choose(CATALOG, choice)


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(UnknownTableError, match=r"clientt.*Known: Stock, client, lignecli"):
        choose(CATALOG, Choice(("clientt",)))


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ([good("a")], 0),
        ([good("a"), bad("b", Status.BUSY, 3)], 3),
        ([bad("a", Status.BUSY, 3), bad("b")], 1),
        ([bad("a", code=2)], 2),
        ([bad("a", code=2), bad("b")], 1),
        ([bad("a", Status.SKIPPED, 0)], 1),
        ([], 0),
    ],
)
def test_exit_codes(results: list[LoadResult], code: int) -> None:
    assert exit_code(results) == code


def test_run_prints_documented_json(stage: Stage, loader: Loader) -> None:
    played = stage.play("run", "client", "--mode", "full", "--threads", "3", "--json")
    assert (played.code, played.err) == (0, "")
    document = json.loads(played.out)
    assert set(document) == {"command", "ok", "exit_code", "report", "tables"}
    [entry] = document["tables"]
    assert set(entry) == {
        "table", "status", "mode", "run_id", "seq", "partitions", "rows", "seconds", "rows_per_second", "bytes", "files", "attempts",
        "t0", "high_water", "watermark", "cleaned", "error", "exit_code", "quality",
    }  # fmt: skip
    assert (entry["rows"]["read"], entry["rows"]["inserted"], entry["rows_per_second"], entry["t0"]) == (10, 7, 5.0, "2026-03-01T00:00:00")
    assert loader.asked == [(["client"], LoadOptions(mode=Mode.FULL), {"threads": 3, "continue_on_error": True})]


def test_a_failed_table_is_1_and_says_why_without_the_secret(stage: Stage, loader: Loader) -> None:
    loader.failing["client"] = bad("client")
    for arguments in (("run", "--all", "--fail-fast"), ("run", "--all", "--json")):
        played = stage.play(*arguments)
        assert played.code == 1
        assert "SourceError" in played.out
        assert CANARY not in played.out + played.err
    assert loader.asked[0][2] == {"threads": 2, "continue_on_error": False}


def test_an_incremental_without_cursor_says_what_it_does(stage: Stage, loader: Loader) -> None:
    played = stage.play("run", "client", "lignecli", "--mode", "incremental")
    assert "lignecli has no cursor: an incremental reads it in full" in played.err
    assert "client has" not in played.err


def test_a_table_for_people_is_not_cut_when_piped(stage: Stage, loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # of a terminal somewhere above us, not of the pipe
    played = stage.play("run", "--all")
    assert all(word in played.out for word in ("client", "success", "inserted", "rows/s", "watermark"))
    assert "…" not in played.out


def test_backfill_names_every_partition_of_the_range(stage: Stage, loader: Loader) -> None:
    assert stage.play("backfill", "client", "--from", "2026-01-30", "--to", "2026-02-02").code == 0
    names, options, _ = loader.asked[0]
    keys = ("2026-01-30", "2026-01-31", "2026-02-01", "2026-02-02")
    assert (names, options) == (["client"], LoadOptions(mode=Mode.PARTITION, partitions=keys))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("lignecli", "--from", "2026-01-01", "--to", "2026-01-02"), "has no partitions"),
        (("client", "--from", "2025-01-01", "--to", "2025-01-02"), "The first is 2026-01-01"),
        (("client", "--from", "2026-01-05", "--to", "2026-01-02"), "No partition"),
        (("client", "--from", "yesterday", "--to", "2026-01-02"), "--from"),
    ],
)
def test_a_backfill_of_nothing_is_2(stage: Stage, loader: Loader, arguments: tuple[str, ...], says: str) -> None:
    played = stage.play("backfill", *arguments)
    assert (played.code, says in played.err) == (2, True), played.err
    assert not loader.asked


def test_the_total_counts_tables_and_rows_on_the_clock_of_the_wall() -> None:
    assert total_line([good("a"), good("b"), bad("c")], 61.25) == "3 tables (2 success, 1 failed): 20 rows read, 14 written in 61.2 s."


def test_a_run_leaves_a_page_unless_told_not_to(stage: Stage, loader: Loader, tmp_path: Path) -> None:
    loader.failing["client"] = bad("client")
    played = stage.play("run", "client")
    [page] = (tmp_path / "reports").iterdir()
    assert f"Report: {page}" in played.out
    assert CANARY not in page.read_text(encoding="utf-8")
    page.unlink()
    assert json.loads(stage.play("run", "client", "--json").out)["report"].endswith(".html")
    [page] = (tmp_path / "reports").iterdir()
    page.unlink()
    assert "Report:" not in stage.play("run", "client", "--no-report").out
    assert list((tmp_path / "reports").iterdir()) == []


def test_a_page_that_cannot_be_written_fails_nothing(stage: Stage, loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file where the folder should be")
    played = stage.play("run", "client")
    assert played.code == 0
    assert "No report was written" in played.out
