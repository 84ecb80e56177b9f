"""Production's shape: Dagster, control database and warehouse on one PostgreSQL, code server and daemon apart (docs/deployment.md)."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from cbm_etl_assets.twin.postgres import free_port
from cbm_etl_assets_tests.dagster_server import REPOSITORY
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database

__all__ = ["control_postgres", "postgres_database"]
pytestmark = pytest.mark.integration
SECONDS = 180.0


@pytest.fixture
def production(tmp_path: Path, postgres_database: str) -> dict[str, str]:
    """The environment of all processes: three databases' worth of schemas in one."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_bytes((REPOSITORY / "dagster.postgres.yaml").read_bytes())
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CBM_", "DAGSTER_"))}
    return inherited | {
        "DAGSTER_HOME": str(home), "DAGSTER_PG_URL": postgres_database.replace("postgresql:", "postgresql+psycopg2:"),
        "CBM_HOME": str(tmp_path / "home"), "CBM_CONTROL__URL": postgres_database.replace("postgresql:", "postgresql+psycopg:"),
        "CBM_WAREHOUSE__KIND": "postgresql", "CBM_WAREHOUSE__CONNECTION_STRING": postgres_database, "PYTHONPATH": str(REPOSITORY),
    }  # fmt: skip


@contextmanager
def instance_of(production: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_PG_URL", production["DAGSTER_PG_URL"])
    with dg.DagsterInstance.from_config(production["DAGSTER_HOME"]) as instance:
        yield instance


def test_runs_and_events_live_in_postgresql(production: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    @dg.asset
    def one() -> int:
        return 1

    with instance_of(production, monkeypatch) as instance:
        result = dg.materialize([one], instance=instance)
        assert instance.get_latest_materialization_event(dg.AssetKey("one")) is not None
        told = threading.Event()

        def hear(*_: object) -> None:
            told.set()

        instance.event_log_storage.watch(result.run_id, None, hear)  # LISTEN and NOTIFY: what a wrong driver breaks
        instance.report_engine_event("told", instance.get_run_by_id(result.run_id))
        assert told.wait(SECONDS)
        instance.event_log_storage.end_watch(result.run_id, hear)
    with psycopg.connect(production["CBM_WAREHOUSE__CONNECTION_STRING"]) as connection:
        found = connection.execute("SELECT status FROM runs").fetchall()
    assert found == [("SUCCESS",)]


@pytest.mark.slow
def test_a_run_goes_through_the_queue_to_a_code_server_apart(
    production: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text((REPOSITORY / "workspace.grpc.yaml").read_text().replace("port: 4266", f"port: {port}"))
    server = ["-m", "dagster", "api", "grpc", "-m", "cbm_etl_assets.definitions", "-h", "127.0.0.1", "-p", str(port)]
    with ExitStack() as stack:
        stack.enter_context(process(server, production, tmp_path / "code.log"))
        until(lambda: answers(port, production), "the code server", tmp_path / "code.log")
        stack.enter_context(process(["-m", "dagster._daemon", "run", "-w", str(workspace)], production, tmp_path / "daemon.log"))
        launch = [sys.executable, "-m", "dagster", "job", "launch", "-w", str(workspace), "-j", "maintenance"]
        subprocess.run(launch, env=production, cwd=tmp_path, check=True, capture_output=True, timeout=SECONDS)
        instance = stack.enter_context(instance_of(production, monkeypatch))
        until(lambda: all(run.is_finished for run in instance.get_runs()), "the run", tmp_path / "daemon.log")
        assert [(run.job_name, run.status.value) for run in instance.get_runs()] == [("maintenance", "SUCCESS")]


@contextmanager
def process(arguments: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as stream:
        child = subprocess.Popen(
            [sys.executable, *arguments], env=dict(environment), cwd=log.parent, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        yield
    finally:
        os.killpg(child.pid, signal.SIGINT)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def answers(port: int, environment: Mapping[str, str]) -> bool:
    ask = [sys.executable, "-m", "dagster", "api", "grpc-health-check", "-h", "127.0.0.1", "-p", str(port)]
    return subprocess.run(ask, env=dict(environment), capture_output=True, check=False).returncode == 0


def until(holds: Callable[[], bool], what: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: {log.read_text()[-2000:]}"
        time.sleep(0.5)
