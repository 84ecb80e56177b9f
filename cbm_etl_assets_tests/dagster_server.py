"""A real `dagster dev` (webserver, daemon, code server) on a free port, spoken to over GraphQL as the UI does, and a headless browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
REPOSITORY = Path(__file__).parent.parent
START_SECONDS = 120
CHROMIUM_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=20000",
)  # fmt: skip
LAUNCH_RUN = """mutation L($p: ExecutionParams!) { launchPipelineExecution(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on InvalidSubsetError { message } ... on PythonError { message } } }"""
LAUNCH_BACKFILL = """mutation B($p: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
RUN_STATUS = "query R($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
RUN_FAILURES = """query F($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection { events {
  ... on ExecutionStepFailureEvent { stepKey error { message } } } } } } }"""
BACKFILL_STATUS = """query S($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status runs(limit: 100) { id status } } } }"""


@dataclass(frozen=True)
class DagsterServer:
    url: str
    log: Path

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def launch(
        self, assets: Sequence[Sequence[str]], partition: str | None = None, checks: Sequence[tuple[Sequence[str], str]] = ()
    ) -> dict[str, Any]:
        """`checks`: those a materialisation must run with, as the UI adds them by itself (canExecuteIndividually)."""
        selector = {
            "pipelineName": "__ASSET_JOB", "repositoryName": "__repository__", "repositoryLocationName": "cbm_etl_assets.definitions",
            "assetSelection": [{"path": list(path)} for path in assets],
            "assetCheckSelection": [{"assetKey": {"path": list(path)}, "name": name} for path, name in checks],
        }  # fmt: skip
        tags = [{"key": "dagster/partition", "value": partition}] if partition else []
        parameters = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
        return dict(self.ask(LAUNCH_RUN, p=parameters)["launchPipelineExecution"])

    def backfill(self, assets: Sequence[Sequence[str]], partitions: Sequence[str]) -> str:
        parameters = {"partitionNames": list(partitions), "assetSelection": [{"path": list(path)} for path in assets]}
        return str(self.ask(LAUNCH_BACKFILL, p=parameters)["launchPartitionBackfill"]["backfillId"])

    def wait_run(self, run_id: str, seconds: float = 120) -> str:
        done = {"SUCCESS", "FAILURE", "CANCELED"}
        return _until(lambda: str(self.ask(RUN_STATUS, id=run_id)["runOrError"]["status"]), lambda status: status in done, seconds)

    def failures(self, run_id: str) -> list[str]:
        """Why the steps of a run failed: an assertion's second half."""
        events = self.ask(RUN_FAILURES, id=run_id)["runOrError"]["eventConnection"]["events"]
        return [f"{e['stepKey']}: {e['error']['message']}" for e in events if e.get("error")]

    def wait_backfill(self, backfill_id: str, seconds: float = 180) -> dict[str, Any]:
        return _until(
            lambda: dict(self.ask(BACKFILL_STATUS, id=backfill_id)["partitionBackfillOrError"]),
            lambda found: found["status"] not in ("REQUESTED", "CANCELING", "FAILING"), seconds,
        )  # fmt: skip


def _until(read: Callable[[], T], done: Callable[[T], bool], seconds: float) -> T:
    deadline = time.monotonic() + seconds
    while not done(value := read()):
        assert time.monotonic() < deadline, f"still {value} after {seconds} s"
        time.sleep(0.5)
    return value


@contextmanager
def dagster_dev(dagster_home: Path, environment: Mapping[str, str]) -> Iterator[DagsterServer]:
    """From the repository root, with its workspace.yaml, as a user types it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = dagster_home / "dev.log"
    command = [sys.executable, "-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port)]
    env = {**os.environ, **environment, "DAGSTER_HOME": str(dagster_home)}
    with log.open("wb") as sink:
        child = subprocess.Popen(command, cwd=REPOSITORY, env=env, stdout=sink, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        server = DagsterServer(f"http://127.0.0.1:{port}", log)
        _wait_until_up(server, child)
        yield server
    finally:
        _stop(child)


def _wait_until_up(server: DagsterServer, child: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert child.poll() is None, server.log.read_text(encoding="utf-8")[-3000:]
        try:
            with urllib.request.urlopen(f"{server.url}/server_info", timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError(f"no answer in {START_SECONDS} s: {server.log.read_text(encoding='utf-8')[-3000:]}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        child.wait(20)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(20)
    try:
        os.killpg(child.pid, signal.SIGKILL)  # its own session: what it left behind and nothing else
    except ProcessLookupError:
        return


def chromium() -> str | None:
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def browse(url: str, profile: Path, *flags: str, seconds: float = 120) -> str:
    """What headless Chromium prints: the page's DOM with --dump-dom; a screenshot with --screenshot=FILE."""
    browser = chromium()
    assert browser is not None
    command = [browser, *CHROMIUM_FLAGS, f"--user-data-dir={profile}", *flags, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=True).stdout
