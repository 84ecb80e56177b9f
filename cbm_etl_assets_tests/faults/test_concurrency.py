"""Two loaders of one table: each ends well or says busy, no row is lost or doubled, and who lost the lock commits nothing.

And one that is told to stop.
"""

from __future__ import annotations

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.errors import LostLockError
from cbm_etl_assets.metadata.writer import spec_to_yaml
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.warehouse.port import StagingTable
from cbm_etl_assets_tests.dict_source import dict_platform
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = [pytest.mark.integration, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
CLI = ("-m", "cbm_etl_assets.cli.app", "run", "article", "--mode")
DAGSTER = """
import sys
from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.orchestration.home import open_instance
from cbm_etl_assets.orchestration.launch import LaunchOptions, run_tables
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.settings import Settings
settings = Settings()
catalog = load_catalog(settings.tables_dir)
with open_instance(settings) as instance:
    results = run_tables(instance, settings, catalog, list(catalog.values()), LaunchOptions(Mode.FULL))
for result in results:
    print(result.table, result.status, result.error_class, result.error_message)
sys.exit(max(r.exit_code for r in results))
"""
RUN = "import sys; from cbm_etl_assets.cli.app import main; sys.exit(main(['run', 'article', '--mode', 'full']))"
# The merge of 200 rows takes 20 ms: a signal would never meet it. Here it takes long, inside its transaction.
SLOW_MERGE = (
    """
import pathlib, time
from cbm_etl_assets.warehouse.dialects.duckdb_apply import DuckDbApply
remember = DuckDbApply._remember
def slow(self):
    remember(self)
    pathlib.Path("merging").touch()
    time.sleep(30)
DuckDbApply._remember = slow
"""
    + RUN
)
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(line: Line) -> Iterator[Start]:
    """Starts a process on the line's home; none outlives the test."""
    tables = line.home / "tables"
    tables.mkdir()
    (tables / "article.yaml").write_text(spec_to_yaml(line.spec), encoding="utf-8")
    base = {k: v for k, v in os.environ.items() if not k.startswith(("CBM_", "DAGSTER_"))} | {
        "CBM_HOME": str(line.home), "CBM_TABLES_DIR": str(tables), "CBM_SOURCE__CONNECTION_STRING": line.twin.odbc,
        "CBM_LOAD__TABLE_WAIT_SECONDS": "60", "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], env=base | environment, cwd=line.home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    output = process.communicate(timeout=180)[0]
    return process.returncode, output


def until(condition: Callable[[], object], what: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.05)


def reads(line: Line) -> int:
    return len(line.twin.statements(lambda s: "article" in s.get("tables", ())))


def assert_sound(line: Line) -> None:
    """Every row once, equal to the source, nothing left behind, no log row open."""
    line.assert_equal()
    assert line.platform.warehouse.query("SELECT count(*) - count(DISTINCT _key_hash) FROM ods.article").rows == [(0,)]
    assert line.leftovers() == []
    assert line.platform.control.query("SELECT RunId FROM etl.ETL_Log WHERE Status = 'started'") == []


def test_two_runs_together_take_turns(line: Line, start: Start) -> None:
    both = [start(*CLI, "full"), start(*CLI, "incremental")]
    codes = [ended(process) for process in both]
    assert [code for code, _ in codes] == [0, 0], codes
    assert_sound(line)


def test_a_run_that_may_not_wait_says_busy(line: Line, start: Start) -> None:
    before = reads(line)
    line.twin.set_fault("latency", "article", milliseconds=1500)
    first = start(*CLI, "full")
    until(lambda: reads(line) > before, "the first run to read")
    code, output = ended(start(*CLI, "full", CBM_LOAD__TABLE_WAIT_SECONDS="0"))
    assert code == 3, output
    assert "busy" in output
    assert "Traceback" not in output
    assert ended(first)[0] == 0
    assert_sound(line)


def test_a_run_beside_a_dagster_run(line: Line, start: Start) -> None:
    line.load()
    line.put("B00001", "nouveau", dt.datetime(2026, 1, 9, 9))
    dagster, cli = start("-c", DAGSTER), start(*CLI, "incremental")
    codes = [ended(dagster), ended(cli)]
    assert {code for code, _ in codes} <= {0, 3}, codes
    assert 0 in {code for code, _ in codes}, codes
    assert_sound(line)


def test_a_loader_whose_lock_was_taken_over_cannot_commit(line: Line, start: Start) -> None:
    """Stopped in mid-read past its lock's life, woken after another run: exit 1, and its older rows do not come back."""
    line.load()
    before = reads(line)
    line.twin.set_fault("latency", "article", milliseconds=1000)
    stopped = start(*CLI, "full", CBM_LOAD__LOCK_TTL_SECONDS="2")
    until(lambda: reads(line) > before, "the first run to read")
    stopped.send_signal(signal.SIGSTOP)
    line.twin.clear_faults()
    line.put("A00001", "plus frais", dt.datetime(2026, 1, 9, 9))
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00002'")
    code, output = ended(start(*CLI, "full"))
    assert code == 0, output
    stopped.send_signal(signal.SIGCONT)
    code, output = ended(stopped)
    assert code == 1, output
    assert "another run took it over" in " ".join(output.split())
    line.assert_equal()
    assert line.load(Mode.INCREMENTAL).outcome.updated == 0
    assert_sound(line)


@pytest.mark.parametrize("instant", ["read", "merge"])
def test_cf12_a_run_told_to_stop_ends_within_ten_seconds_and_the_next_one_heals(line: Line, start: Start, instant: str) -> None:
    line.load()
    before, at_merge = reads(line), instant == "merge"
    line.execute("UPDATE pub.article SET \"Libelle\" = 'changé'")
    if not at_merge:
        line.twin.set_fault("latency", "article", milliseconds=1500)
    process = start("-c", SLOW_MERGE if at_merge else RUN)
    until(lambda: (line.home / "merging").exists() if at_merge else reads(line) > before, f"the {instant}")
    process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    code, output = ended(process)
    assert code not in (0, 2, 3), output
    assert time.monotonic() - told < 10 + 5, "10 s are promised; 5 more for a loaded machine"
    assert "Traceback" not in output
    assert len({row[2] for row in line.ods_rows()}) in (1, 200), "all of the load, where it could be ended in time, or nothing"
    line.twin.clear_faults()
    code, output = ended(start(*CLI, "full"))
    assert code == 0, output
    assert_sound(line)


def test_a_loader_that_lost_its_lock_leaves_the_other_ones_staging_alone(tmp_path: Path) -> None:
    """The taker-over is between staging and commit when the loser fails: the loser's clean-up is not for its tables."""
    spec = article_spec()
    platform, source = dict_platform(tmp_path, spec)
    taken: list[str] = []

    def take_over(seam: str) -> None:
        if seam == "extract" and not taken:
            seq = platform.warehouse.acquire(spec.name).last_issued_seq
            taken.append(f"{spec.name}__{seq}")
            platform.warehouse.load_staging(spec, StagingTable(spec.name, taken[0], seq), iter(()))

    source.at = take_over
    try:
        with pytest.raises(LostLockError):
            load_table(platform, spec, LoadOptions(Mode.FULL))
        tables = platform.warehouse.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'stg'").rows
        assert (taken[0],) in tables
        assert load_table(platform, spec, LoadOptions(Mode.FULL)).outcome.read == 0
        left = platform.warehouse.query("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'stg' AND table_name LIKE 'article%'")
        assert left.rows == [], "the next load sweeps what both left"
    finally:
        platform.close()
