"""Start, stop, start again: no process, no open door and no foreign file is left."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pyodbc
import pytest

from cbm_etl_assets.errors import BusyError
from cbm_etl_assets.reliability.process import pid_alive
from cbm_etl_assets.twin import postgres, server
from cbm_etl_assets_tests.integration.twin import tables

pytestmark = pytest.mark.integration


def test_data_ports_and_password_survive_a_restart(tmp_path: Path) -> None:
    first = server.start(tmp_path, owned=True)
    try:
        tables.load(first, 3)
        with pytest.raises(BusyError, match=f"already running on port {first.port}"):
            server.start(tmp_path)
        assert stat.S_IMODE((first.home / server.STATE_FILE).stat().st_mode) == 0o600
        assert server.stop(tmp_path) is True
        assert server.status(tmp_path) is None
        assert not pid_alive(first.daemon_pid)
        assert server.stop(tmp_path) is False
        second = server.start(tmp_path, owned=True)
        assert (second.port, second.secret) == (first.port, first.secret)
        with pyodbc.connect(second.odbc, autocommit=True) as conn:
            assert conn.execute("SELECT COUNT(*) FROM PUB.Client").fetchval() == 3
    finally:
        server.destroy(tmp_path)
    assert not postgres.locate(server.twin_folder(tmp_path)).data.exists()


def test_a_twin_without_its_proxy_is_taken_over(tmp_path: Path) -> None:
    first = server.start(tmp_path)
    try:
        os.kill(first.daemon_pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while pid_alive(first.daemon_pid) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.status(tmp_path) is None
        assert server.start(tmp_path).secret == first.secret
    finally:
        server.destroy(tmp_path)


def test_an_owned_twin_ends_with_its_owner(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from cbm_etl_assets.twin import server\n"
        "print(server.start(Path(sys.argv[1]), owned=True).daemon_pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert owner.stdout is not None
        daemon = int(owner.stdout.readline())
        cluster = postgres.locate(server.twin_folder(tmp_path))
        assert pid_alive(daemon)
    finally:
        owner.kill()
        owner.wait(10)
        if owner.stdout:
            owner.stdout.close()
    deadline = time.monotonic() + 15
    while pid_alive(daemon) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not pid_alive(daemon)
    assert not postgres.running(cluster)


def test_a_wrong_token_opens_nothing(tmp_path: Path) -> None:
    import dataclasses

    handle = server.start(tmp_path, owned=True)
    try:
        from cbm_etl_assets.errors import ConfigurationError

        with pytest.raises(ConfigurationError, match="token"):
            dataclasses.replace(handle, secret="guess").ask("stop")
        with pytest.raises(pyodbc.Error):
            pyodbc.connect(handle.odbc.replace(handle.secret, "guess"))
    finally:
        server.destroy(tmp_path)
