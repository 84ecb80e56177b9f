"""ui: the port, the child's environment, a child that dies, and no process left behind."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.cli.ui import child_environment, choose_port, command, stop, wait_until_up
from cbm_etl_assets.errors import BusyError, ConfigurationError
from cbm_etl_assets.reliability.process import pid_alive
from cbm_etl_assets.settings import WarehouseSettings
from cbm_etl_assets_tests.unit.cli.fakes import CANARY, Stage


def test_a_taken_port_is_busy_and_zero_is_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(BusyError, match="--port 0"):
        choose_port(server.getsockname()[1])
    assert choose_port(0) > 0


def test_the_child_is_told_homes_and_source_and_the_command_line_no_secret(tmp_path: Path) -> None:
    child = child_environment(Stage(tmp_path).runtime(), tmp_path / "dagster")
    assert (child["DAGSTER_HOME"], child["CBM_HOME"]) == (str(tmp_path / "dagster"), str(tmp_path))
    assert CANARY in child["CBM_SOURCE__CONNECTION_STRING"]
    assert "CBM_WAREHOUSE__KIND" not in child
    assert CANARY not in " ".join(command(3000))


def test_the_child_is_told_a_warehouse_that_the_environment_does_not_name(tmp_path: Path) -> None:
    held = WarehouseSettings(kind="postgresql", connection_string=SecretStr("postgresql://h/d"))
    settings = Stage(tmp_path).settings().model_copy(update={"warehouse": held})
    child = child_environment(Runtime(lambda _: settings), tmp_path)
    assert (child["CBM_WAREHOUSE__KIND"], child["CBM_WAREHOUSE__CONNECTION_STRING"]) == ("postgresql", "postgresql://h/d")


def test_a_child_that_ends_is_said_at_once() -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as child, pytest.raises(ConfigurationError, match="code 7"):
        wait_until_up(f"http://127.0.0.1:{choose_port(0)}", child, 20)


def test_stop_leaves_no_process_of_the_group() -> None:
    code = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert child.stdout is not None
    grandchild = int(child.stdout.readline())
    stop(child)
    child.stdout.close()
    deadline = time.monotonic() + 10
    while pid_alive(grandchild) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not pid_alive(grandchild)
    assert child.returncode is not None
