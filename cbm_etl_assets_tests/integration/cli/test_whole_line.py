"""The command line over the whole line: a real twin, real files, real processes; and no password anywhere outside the twin's own files."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.twin import server
from cbm_etl_assets.twin.erp.load import load_erp
from cbm_etl_assets.twin.handle import TwinHandle

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def handle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinHandle]:
    home = tmp_path_factory.mktemp("cli_line")
    started = server.start(home, owned=True)
    try:
        with started.pg(autocommit=False) as conn:
            load_erp(conn, "demo", today=dt.date.today(), tables=["fournis", "stock"])  # noqa: DTZ011 - the generator's calendar day
        yield started
    finally:
        server.destroy(home)


@pytest.fixture
def cli(handle: TwinHandle, tmp_path: Path) -> Cli:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")} | {"PYTHONPATH": str(ROOT)}
    env |= {"CBM_HOME": str(handle.home.parent), "CBM_SOURCE__RETRIES": "0"}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cbm_etl_assets.cli.app", *arguments]
        ended = subprocess.run(command, capture_output=True, text=True, env=env | more, cwd=tmp_path, timeout=120, check=False)
        assert handle.secret not in ended.stdout + ended.stderr
        return ended

    return run


def document(ended: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert ended.returncode == code, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_the_whole_line(cli: Cli, handle: TwinHandle, tmp_path: Path) -> None:
    loaded = document(cli("run", "fournis", "stock", "--mode", "full", "--json"))["tables"]
    assert [(t["table"], t["rows"]["inserted"]) for t in loaded] == [("fournis", 600), ("stock", 4000)]
    again = document(cli("run", "fournis", "--mode", "incremental", "--json"))["tables"][0]
    assert again["rows"]["updated"] == again["rows"]["inserted"] == 0
    today = dt.date.today()  # noqa: DTZ011 - as above
    first = today - dt.timedelta(days=5)
    filled = document(cli("backfill", "stock", "--from", first.isoformat(), "--to", today.isoformat(), "--json"))["tables"][0]
    assert (filled["mode"], len(filled["partitions"]), filled["rows"]["inserted"]) == ("partition", 6, 0)
    status = {t["table"]: t for t in document(cli("status", "--json"))["tables"]}
    assert (status["fournis"]["status"], status["client"]["status"]) == ("success", "never")
    assert document(cli("sql", "SELECT count(*) FROM ods.stock", "--json"))["rows"] == [[4000]]
    assert cli("sql", "DROP TABLE ods.stock").returncode == 1
    assert document(cli("tables", "sync", "fournis", "stock", "--json"))["changes"] == []
    assert document(cli("sql", "--on", "control", "SELECT count(*) AS n FROM etl.ETL_Log", "--json"))["rows"][0][0] >= 4
    checks = document(cli("preflight", "fournis", "--json"))["checks"]
    assert {c["name"]: c["status"] for c in checks}["source"] == "ok"
    profile = document(cli("profile", "stock", "--html", str(tmp_path / "p.html"), "--json"))
    assert (profile["rows"], profile["columns"][0]["name"]) == (4000, "cod_pro")
    assert "<html" in (tmp_path / "p.html").read_text()
    assert len(document(cli("lake", "list", "stock", "--json"))["loads"]) == 2
    assert document(cli("lake", "clean", "--days", "0", "--json"))["loads"] == 4
    assert not _leaks(handle)


def _leaks(handle: TwinHandle) -> list[Path]:
    """Files outside the twin's own folder that hold its password."""
    needle = handle.secret.encode()
    files = [p for p in handle.home.parent.rglob("*") if p.is_file() and not p.is_relative_to(handle.home)]
    return [p for p in files if needle in p.read_bytes()]


def test_a_source_that_is_down_is_one_clear_message(cli: Cli, handle: TwinHandle) -> None:
    down = handle.odbc.replace(f"PORT={handle.port}", "PORT=1")
    ended = cli("run", "fournis", CBM_SOURCE__CONNECTION_STRING=down)
    assert ended.returncode == 1
    assert "TransientSourceError" in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr
    missing = cli("run", "fournis", CBM_SOURCE__CONNECTION_STRING=f"DRIVER={{no such driver}};PWD={handle.secret}")
    assert missing.returncode in (1, 2)
    assert "Traceback" not in missing.stdout + missing.stderr
    assert not _leaks(handle)


@pytest.mark.slow
def test_the_demo_twice(tmp_path: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")} | {"PYTHONPATH": str(ROOT), "CBM_HOME": str(tmp_path)}
    for _ in range(2):
        command = [sys.executable, "-m", "cbm_etl_assets.cli.app", "demo", "--json"]
        ended = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=300, check=False)
        story = document(ended)
        assert {entry["table"] for entry in story["proof"] if entry["equal"]} == {
            "client", "entetcli", "fournis", "hisprixa", "lignecli", "produit", "stock",
        }  # fmt: skip
        steps = {(entry["step"], entry["table"]): entry["rows"] for entry in story["loads"]}
        assert len(steps) == 15
        assert steps["incremental", "produit"]["updated"] == 40
        assert steps["backfill", "produit"]["updated"] == 5
        assert server.status(tmp_path / "demo") is None
    server.destroy(tmp_path / "demo")
