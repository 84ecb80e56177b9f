"""main(): exit codes, one clear message an error, no secret anywhere, and a light start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.errors import BusyError, CbmError, ConfigurationError, LoadError, SourceError
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.unit.cli.fakes import CANARY, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path / "home")


def failing(stage: Stage, error: BaseException) -> Runtime:
    def fail(_: Settings) -> dict[str, object]:
        raise error

    runtime = stage.runtime()
    runtime.load_catalog = fail  # type: ignore[assignment]
    return runtime


@pytest.mark.parametrize(("error", "code"), [(LoadError("x"), 1), (ConfigurationError("x"), 2), (BusyError("x"), 3)])
def test_an_expected_error_ends_with_its_code_and_no_traceback(stage: Stage, error: CbmError, code: int) -> None:
    played = stage.play("run", "client", runtime=failing(stage, error))
    assert (played.code, played.err, played.out) == (code, "cbm-etl: x\n", "")


def test_an_expected_error_shows_its_remedy_redacted(stage: Stage) -> None:
    error = SourceError(f"login failed for PWD={CANARY} with {CANARY}", remedy="ask the DBA")
    played = stage.play("status", runtime=failing(stage, error))
    assert "-> ask the DBA" in played.err
    assert CANARY not in played.err + played.out


def test_json_carries_the_error_too(stage: Stage) -> None:
    played = stage.play("run", "client", "--json", runtime=failing(stage, BusyError(f"held, pwd={CANARY}")))
    document = json.loads(played.out)
    assert (document["ok"], document["exit_code"], document["error"]["class"]) == (False, 3, "BusyError")
    assert CANARY not in played.out


def test_an_unexpected_error_is_one_line_and_a_redacted_report(stage: Stage) -> None:
    played = stage.play("status", runtime=failing(stage, ValueError(f"odd {CANARY}\nsecond line")))
    assert played.code == 1
    assert "Traceback" not in played.err
    assert "Unexpected ValueError: odd ***" in played.err
    [report] = (stage.home / "logs").glob("crash-*.txt")
    assert str(report) in played.err
    assert "Traceback" in report.read_text()
    assert CANARY not in report.read_text() + played.err


def test_debug_shows_the_redacted_traceback(stage: Stage) -> None:
    played = stage.play("--debug", "status", runtime=failing(stage, ValueError(CANARY)))
    assert "Traceback" in played.err
    assert CANARY not in played.err


def test_ctrl_c_is_130(stage: Stage) -> None:
    assert stage.play("status", runtime=failing(stage, KeyboardInterrupt())).code == 130


def test_the_platform_is_closed_whatever_happens(stage: Stage) -> None:
    assert stage.play("sql", "SELECT 1").code == 0
    assert stage.play("sql", "DELETE FROM ods.client").code == 1
    assert stage.closed == 2


def test_control_characters_of_a_message_do_not_reach_the_terminal(stage: Stage) -> None:
    played = stage.play("status", runtime=failing(stage, LoadError("bad \x1b[2J name")))
    assert "\x1b" not in played.err
    assert "\\x1b" in played.err


@pytest.mark.parametrize("arguments", [("runn",), ("run", "--mode", "fulll", "client"), ("backfill", "client"), ("run", "--thread", "2")])
def test_usage_errors_are_2(stage: Stage, arguments: tuple[str, ...]) -> None:
    assert stage.play(*arguments).code == 2


def run_cli(*arguments: str, env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")} | {"PYTHONPATH": str(Path(__file__).parents[3])} | env
    command = [sys.executable, "-W", "error", "-c", "import sys; from cbm_etl_assets.cli.app import main; sys.exit(main())", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=clean, cwd=cwd, timeout=60, check=False)


def test_a_real_process_ends_with_the_code_and_leaks_nothing(tmp_path: Path) -> None:
    ended = run_cli("status", env={"CBM_SOURCE__CONECTION_STRING": CANARY, "CBM_SOURCE__CONNECTION_STRING": f"PWD={CANARY}"}, cwd=tmp_path)
    assert ended.returncode == 2
    assert "Did you mean 'CBM_SOURCE__CONNECTION_STRING'?" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert CANARY not in ended.stdout + ended.stderr
    assert not list(tmp_path.iterdir()), "a refused start leaves nothing behind"


def test_an_unknown_table_is_2_and_names_the_known(tmp_path: Path) -> None:
    (tmp_path / "tables").mkdir()
    text = "table: client\nprimary_key: [id]\ncolumns:\n  - {name: id, type: integer}\n"
    (tmp_path / "tables/client.yaml").write_text(text)
    ended = run_cli("run", "clientt", env={"CBM_TABLES_DIR": "tables"}, cwd=tmp_path)
    assert (ended.returncode, "Known: client" in ended.stderr) == (2, True), ended.stderr


def test_help_is_light(tmp_path: Path) -> None:
    """0.4 s is the promise on an idle machine; what decides it is what gets imported, and that does not depend on the load."""
    heavy = ("pydantic", "rich", "polars", "pyarrow", "duckdb", "sqlalchemy", "dagster", "yaml", "pyodbc")
    code = (
        "import sys\nfrom cbm_etl_assets.cli.app import main\nmain(['--help'])\n"
        f"print('LOADED', [m for m in {heavy!r} if m in sys.modules])"
    )
    env = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")} | {"PYTHONPATH": str(Path(__file__).parents[3])}
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60, check=True)
    assert "LOADED []" in ended.stdout
    assert time.perf_counter() - began < 4


def test_sigterm_unwinds(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom cbm_etl_assets.cli.app import main\nfrom cbm_etl_assets.cli.runtime import Runtime\n"
        "def wait(home):\n    print('waiting', flush=True)\n    time.sleep(30)\n"
        "runtime = Runtime(load_settings=wait)\nruntime.closers.append(lambda: print('closed', flush=True))\n"
        "sys.exit(main(['status'], runtime))"
    )
    env = dict(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env, cwd=tmp_path)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=10)
    assert (child.returncode, out) == (143, "closed\n")
