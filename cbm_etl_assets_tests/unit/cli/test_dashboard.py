"""dashboard and report: options, the file, and a server that starts, answers and ends on a signal."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.cli.dashboard import journals, serve_beside
from cbm_etl_assets.cli.ui import choose_port
from cbm_etl_assets.sections import DashboardSettings
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.unit.cli.fakes import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_report_writes_one_file_where_it_is_told(stage: Stage, tmp_path: Path) -> None:
    target = tmp_path / "out" / "page.html"
    played = stage.play("report", "--output", str(target), "--days", "30", "--lang", "fr", "--table", "client")
    assert (played.code, played.err) == (0, "")
    assert f"{target} (" in played.out
    assert '<html lang="fr">' in target.read_text(encoding="utf-8")
    told = json.loads(stage.play("report", "--json").out)
    assert Path(told["report"]).stat().st_size >= told["bytes"] > 700_000
    [default] = (tmp_path / "reports").iterdir()
    assert re.fullmatch(r"dashboard-\d{8}T\d{6}\.html", default.name)


def test_report_of_another_period_or_table_is_2(stage: Stage) -> None:
    assert "Known: 1, 7, 30, 90" in stage.play("report", "--days", "5").err
    assert stage.play("report", "--days", "5").code == stage.play("report", "--table", "nosuch").code == 2


def test_other_environments_are_read_and_never_migrated(tmp_path: Path) -> None:
    other = tmp_path / "uat"
    settings = Settings(home=tmp_path, dashboard=DashboardSettings(environments={"UAT": SecretStr(f"sqlite:///{other}")}))
    found = journals(settings)
    assert list(found) == ["DEV", "UAT"]
    found["DEV"].snapshot()
    with pytest.raises(Exception, match="AUTO_UPGRADE is off"):
        found["UAT"].snapshot()


def test_the_dashboards_stand_beside_another_server(tmp_path: Path) -> None:
    port = choose_port(0)
    end = serve_beside(Settings(home=tmp_path), "127.0.0.1", port, "http://127.0.0.1:3000")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/operations", timeout=30) as answer:
            assert answer.status == 200
    finally:
        end()
    assert choose_port(port) == port


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_server_answers_until_it_is_told_to_end(tmp_path: Path, sent: signal.Signals, code: int) -> None:
    port = choose_port(0)
    command = [sys.executable, "-m", "cbm_etl_assets.cli.app", "--home", str(tmp_path), "dashboard", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr
        assert f"http://127.0.0.1:{port}" in child.stderr.readline()
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=30) as answer:
                    assert answer.read() == b"ok"
                break
            except OSError:
                continue
        child.send_signal(sent)
        assert child.wait(60) == code
        assert child.stderr.read() == ""
