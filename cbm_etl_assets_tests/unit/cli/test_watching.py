"""`slo`, `health`, `maintenance` and `metrics` on a real control database: forms, exit codes, files."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.cli.app import main
from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.settings import ObservabilitySettings, Settings
from cbm_etl_assets_tests.specs import make_spec

CATALOG = {name: make_spec(table=name) for name in ("client", "stock")}


class Desk:
    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = Settings(home=home, observability=ObservabilitySettings(min_free_percent=0))
        self.control = ControlStore(self.settings)
        self._capsys = capsys

    def load(self, table: str, hours: float, status: str = "success") -> None:
        at = dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)
        row = self.control.start_log(LogStart(f"{table}{hours}", table, "full", "", at))
        self.control.end_log(row, LogEnd(status, at, error_class="" if status == "success" else "SourceError"))

    def run(self, *arguments: str) -> tuple[int, str]:
        runtime = Runtime(load_settings=lambda _home: self.settings, load_catalog=lambda _settings: CATALOG, starts_readers=False)
        code = main(arguments, runtime)
        return code, self._capsys.readouterr().out

    def json(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        code, out = self.run(*arguments, "--json")
        return code, json.loads(out)


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    made = Desk(tmp_path, capsys)
    for table in CATALOG:
        made.load(table, 2)
    yield made
    made.control.close()


def test_slo_says_objective_measured_budget_and_burn(desk: Desk) -> None:
    desk.load("client", 1, "failed")
    code, found = desk.json("slo")
    errors = next(s for s in found["slos"] if s["slo"] == "error_rate" and s["table"] is None)
    assert (code, errors["objective"], errors["total"], errors["bad"]) == (0, 1.0, 3, 1)
    assert errors["measured"] == pytest.approx(100 / 3)
    assert errors["budget_left"] == pytest.approx(1 - 1 / 0.03)
    assert {w["severity"] for w in errors["windows"]} == {"page", "ticket"}
    assert [b["key"] for b in found["breaches"]] == ["slo:threshold:error_rate"]
    assert len(found["slos"]) == 15


def test_slo_shows_a_named_table_whole_and_of_the_others_what_is_missed(desk: Desk) -> None:
    assert desk.run("slo")[1].count("client") == 0
    code, out = desk.run("slo", "Client")
    assert (code, out.count("client"), out.count("(platform)")) == (0, 5, 0)
    assert desk.run("slo", "clients")[0] == 2


def test_health_is_zero_when_well_and_one_when_not(desk: Desk, tmp_path: Path) -> None:
    code, found = desk.json("health", "--html", str(tmp_path / "r" / "health.html"))
    assert (code, found["ok"]) == (0, True)
    assert "All is well" in (tmp_path / "r" / "health.html").read_text()
    desk.load("client", 1, "failed")
    code, found = desk.json("health")
    assert (code, found["exit_code"]) == (1, 1)
    assert [c["name"] for c in found["checks"] if c["status"] == "fail"] == ["last loads"]


def test_health_alert_without_a_channel_says_so(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    runtime = Runtime(load_settings=lambda _home: desk.settings, load_catalog=lambda _settings: CATALOG, starts_readers=False)
    assert main(["health", "--alert"], runtime) == 0
    assert "No alert channel is configured" in capsys.readouterr().err


def test_maintenance_says_what_it_removed(desk: Desk) -> None:
    desk.load("client", 24 * 2000)
    desk.load("client", 24 * 1999)
    desk.load("client", 1)
    code, found = desk.json("maintenance")
    assert (code, found["removed"]["rows of ETL_Log"], found["removed"]["Dagster runs"]) == (0, 2, 0)


def test_metrics_write_and_export(desk: Desk, tmp_path: Path) -> None:
    code, found = desk.json("metrics", "write")
    assert code == 0
    assert Path(found["file"]) == desk.settings.home / "metrics.prom"
    assert 'cbm_loads_24h{status="failed",table="client"} 0.0' in Path(found["file"]).read_text()
    code, found = desk.json("metrics", "export", str(tmp_path / "out"))
    assert sorted(Path(f).name for f in found["files"]) == ["cbm_etl.json", "cbm_rules.yml"]


def test_the_end_of_a_run_publishes_only_where_something_is_configured(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cbm_etl_assets.pipeline import aftermath

    asked: list[list[str]] = []
    monkeypatch.setattr(aftermath, "publish", lambda _control, _catalog, _settings, ids: asked.append(list(ids)) or ["a word"])
    runtime = Runtime(load_settings=lambda _home: desk.settings, load_catalog=lambda _settings: CATALOG, starts_readers=False)
    runtime.publish(runtime.output(), ["r1"])
    assert asked == []
    desk.settings = Settings(home=tmp_path, observability=ObservabilitySettings(metrics_file=tmp_path / "m.prom"))
    wired = Runtime(load_settings=lambda _home: desk.settings, load_catalog=lambda _settings: CATALOG, starts_readers=False)
    wired.publish(wired.output(), ["r1", "r2"])
    wired.close()
    assert asked == [["r1", "r2"]]
