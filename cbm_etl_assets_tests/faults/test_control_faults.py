"""Killed holders, real contention, many first starts: separate processes, no mocks."""

from __future__ import annotations

import datetime as dt
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import BusyError, ControlError, TransientControlError
from cbm_etl_assets.settings import ControlSettings, Settings

_HOLDER = """
import datetime as dt, sys, time
from pathlib import Path
from cbm_etl_assets.control.port import LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.settings import Settings
store = ControlStore(Settings(home=Path(sys.argv[1])))
with store.lock("client", "holder", wait_seconds=0, ttl_seconds=3600):
    store.start_log(LogStart("killed-run", "client", "full", "", dt.datetime.now(dt.UTC)))
    print("held", flush=True)
    time.sleep(60)
"""
_COUNTER = """
import sys
from pathlib import Path
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.settings import Settings
home = Path(sys.argv[1])
store = ControlStore(Settings(home=home))
for _ in range(int(sys.argv[2])):
    with store.lock("client", "counter", wait_seconds=120, ttl_seconds=120):
        counter = home / "counter"
        value = int(counter.read_text()) if counter.exists() else 0
        counter.write_text(str(value + 1))
store.close()
"""
_FIRST_START = """
import datetime as dt, sys
from pathlib import Path
from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.settings import Settings
store = ControlStore(Settings(home=Path(sys.argv[1])))
log_id = store.start_log(LogStart(sys.argv[2], "t" + sys.argv[2], "full", "", dt.datetime.now(dt.UTC)))
store.end_log(log_id, LogEnd("success", dt.datetime.now(dt.UTC)))
store.close()
"""
ROOT = Path(__file__).parents[2]


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def test_kill_9_of_a_holder_leaves_no_stale_lock_nor_open_row(tmp_path: Path) -> None:
    store = ControlStore(Settings(home=tmp_path))
    holder = start(_HOLDER, tmp_path)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(BusyError, match=f":{holder.pid}:holder since"), store.lock("client", "me", wait_seconds=0.2, ttl_seconds=60):
            pytest.fail("two holders")
        holder.send_signal(signal.SIGKILL)
        # Not collected yet: the zombie must not count as a living holder.
        began = time.monotonic()
        with store.lock("client", "me", wait_seconds=10, ttl_seconds=60):
            store.start_log(LogStart("next-run", "client", "full", "", dt.datetime.now(dt.UTC)))
        assert time.monotonic() - began < 5, "a dead owner's lock is taken over at once, not after its hour"
        rows = {r["RunId"]: r for r in store.query("SELECT * FROM etl.ETL_Log")}
        assert (rows["killed-run"]["Status"], rows["killed-run"]["ErrorMessage"]) == ("failed", "orphan of a killed run")
        assert rows["next-run"]["Status"] == "started"
    finally:
        holder.kill()
        holder.communicate()
        store.close()


def test_two_processes_never_hold_one_lock_together(tmp_path: Path) -> None:
    processes = [start(_COUNTER, tmp_path, 40) for _ in range(2)]
    for process in processes:
        finish(process)
    assert (tmp_path / "counter").read_text() == "80"


def test_ten_processes_may_start_on_nothing(tmp_path: Path) -> None:
    processes = [start(_FIRST_START, tmp_path, i) for i in range(10)]
    for process in processes:
        finish(process)
    store = ControlStore(Settings(home=tmp_path))
    try:
        assert {r["Status"] for r in store.query("SELECT * FROM etl.ETL_Log")} == {"success"}
        assert len(store.query("SELECT * FROM etl.vw_LastRuns")) == 10
        versions = [int(str(r["Version"])) for r in store.query("SELECT Version FROM etl.Schema_Version ORDER BY Version")]
        assert versions == list(range(1, versions[-1] + 1))
    finally:
        store.close()


@pytest.mark.parametrize("file", ["etl.db", "config.db"])
def test_a_damaged_file_is_refused_in_words(tmp_path: Path, file: str) -> None:
    folder = tmp_path / "control"
    folder.mkdir()
    (folder / file).write_bytes(b"this was a database once" * 100)
    store = ControlStore(Settings(home=tmp_path))
    with pytest.raises(ControlError, match="not a database") as caught:
        store.upgrade()
    assert "move the damaged file away" in caught.value.remedy
    assert (folder / file).read_bytes().startswith(b"this was"), "nothing was overwritten"
    store.close()


def test_a_folder_that_cannot_be_made_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "control").write_text("a file", encoding="utf-8")
    with pytest.raises(ControlError, match="Control database in"):
        ControlStore(Settings(home=tmp_path)).upgrade()


def test_an_unreachable_server_is_transient_and_tells_no_password() -> None:
    from pydantic import SecretStr

    url = SecretStr("postgresql+psycopg://etl:hunter2-secret@127.0.0.1:1/cbm?connect_timeout=2")
    store = ControlStore(Settings(control=ControlSettings(url=url)))
    with pytest.raises(TransientControlError) as caught:
        store.upgrade()
    assert "hunter2" not in str(caught.value)
    store.close()


def test_start_and_end_of_a_log_row_cost_less_than_10_ms(tmp_path: Path) -> None:
    store = ControlStore(Settings(home=tmp_path))
    store.upgrade()
    costs = []
    for i in range(20):
        began = time.perf_counter()
        log_id = store.start_log(LogStart(f"r{i}", "client", "full", "", dt.datetime.now(dt.UTC)))
        store.end_log(log_id, LogEnd("success", dt.datetime.now(dt.UTC)))
        costs.append(time.perf_counter() - began)
    store.close()
    assert sorted(costs)[len(costs) // 2] < 0.010, f"median of {len(costs)}; measured 0.12 ms"
    assert [p.name for p in tmp_path.iterdir()] == ["control"]
