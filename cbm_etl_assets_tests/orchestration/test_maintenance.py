"""The maintenance job on a real instance: what leaves, what stays, and what the UI still says afterwards."""

import datetime as dt
import json
import os
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.orchestration.home import open_instance
from cbm_etl_assets.orchestration.launch import LaunchOptions, run_tables
from cbm_etl_assets.orchestration.maintenance import JOB
from cbm_etl_assets.orchestration.prune import prune_runs
from cbm_etl_assets.pipeline.maintenance import tidy
from cbm_etl_assets.settings import JournalSettings, Settings
from cbm_etl_assets_tests.control_fixture import control_postgres
from cbm_etl_assets_tests.orchestration.helpers import FakePlatform, ScriptedLoader, catalog, daily, settings_in, spec

__all__ = ["control_postgres"]
NOW = dt.datetime.now(dt.UTC)


def shards(settings: Settings) -> set[str]:
    folder = settings.home / "dagster" / "history" / "runs"
    return {p.stem for p in folder.glob("*.db")} - {"index"}


def launch(instance: dg.DagsterInstance, settings: Settings, *tables: Any) -> str:
    resources = {"platform": cast("Any", FakePlatform(settings))}
    return run_tables(instance, settings, catalog(*tables), list(tables), LaunchOptions(resources=resources))[0].run_id


def size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def test_old_runs_leave_and_the_newest_of_everything_stays(settings: Settings, loader: ScriptedLoader) -> None:
    tables = [spec("stock"), daily("client", start="2026-11-01")]
    with open_instance(settings) as instance:
        old = [launch(instance, settings, *tables) for _ in range(4)]
        cutoff = dt.datetime.now(dt.UTC)
        young = launch(instance, settings, tables[0])
        unfinished = instance.create_run_for_job(job_def=_empty_job(), status=dg.DagsterRunStatus.STARTED).run_id
        partitions = instance.get_materialized_partitions(dg.AssetKey(["ods", "client"]))
        before = size(settings.home / "dagster")

        done = prune_runs(instance, cutoff)

        assert done.runs == len(old)
        assert {r.run_id for r in instance.get_runs()} == {young, unfinished}
        assert shards(settings) >= {young}
        assert not shards(settings) & set(old)
        assert size(settings.home / "dagster") < before - 3 * 100_000  # a run's own file is 100 kB and more
        # The UI's answers are the same: covered partitions, the newest materialization with its numbers.
        assert instance.get_materialized_partitions(dg.AssetKey(["ods", "client"])) == partitions
        latest = instance.get_latest_materialization_event(dg.AssetKey(["ods", "client"]))
        assert latest is not None
        assert latest.run_id == old[-1]
        assert instance.get_latest_materialization_event(dg.AssetKey(["ods", "stock"])).run_id == young  # type: ignore[union-attr]
        history = instance.fetch_materializations(dg.AssetKey(["ods", "stock"]), limit=10).records
        assert [r.run_id for r in history] == [young]
        assert prune_runs(instance, cutoff).runs == 0


def _empty_job() -> dg.JobDefinition:
    @dg.job
    def empty() -> None: ...

    return empty


def test_the_newest_check_result_stays(settings: Settings) -> None:
    @dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="a")])
    def a() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    with open_instance(settings) as instance:
        runs = [dg.materialize([a], instance=instance).run_id for _ in range(3)]
        done = prune_runs(instance, dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
        key = dg.AssetCheckKey(dg.AssetKey("a"), "good")
        kept = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    assert (done.runs, done.checks) == (3, 2)
    assert [record.run_id for record in kept] == [runs[-1]]


def test_loads_go_on_after_a_pruning(settings: Settings, loader: ScriptedLoader) -> None:
    with open_instance(settings) as instance:
        launch(instance, settings, spec("stock"))
        prune_runs(instance, dt.datetime.now(dt.UTC))
        again = launch(instance, settings, spec("stock"))
        assert instance.get_run_by_id(again).status is dg.DagsterRunStatus.SUCCESS  # type: ignore[union-attr]


@pytest.fixture
def control(tmp_path: Path) -> ControlStore:
    return ControlStore(settings_in(tmp_path))


def log(control: ControlStore, table: str, days_ago: float, mode: str = "full") -> None:
    at = NOW - dt.timedelta(days=days_ago)
    row = control.start_log(LogStart(f"r{days_ago}", table, mode, "", at))
    control.end_log(row, LogEnd("success", at, mode=mode))


def test_the_job_prunes_all_three_and_says_what(tmp_path: Path) -> None:
    """The job as `cbm-etl ui` has it, on a real control database; its schedule is on by default."""
    settings = settings_in(tmp_path, journal=JournalSettings(log_days=100, dagster_days=1, file_days=10))
    control = ControlStore(settings)
    for days in (400, 300, 200, 1):
        log(control, "client", days)
    log(control, "client", 500, "partition")
    control.add_metrics("r", "client", {"bytes": 1.0})
    old = settings.log_dir / "cbm-etl-2020-01-01.jsonl"
    settings.log_dir.mkdir(parents=True)
    old.write_text("{}\n")
    os.utime(old, (0, 0))
    young = settings.log_dir / "cbm-etl-2026-11-21.jsonl"
    young.write_text("{}\n")
    tables = catalog(spec("client"))
    platform = _Platform(settings, control)
    defs = build_defs(tables, settings, resources={"platform": cast("Any", platform)})
    schedule = next(s for s in defs.schedules or [] if s.name == f"{JOB}_schedule")
    assert cast("Any", schedule).default_status is dg.DefaultScheduleStatus.RUNNING
    with open_instance(settings) as instance:
        result = defs.resolve_job_def(JOB).execute_in_process(instance=instance)
    [output] = [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_OUTPUT]
    said = {name: value.value for name, value in output.step_output_data.metadata.items()}
    assert (said["rows of ETL_Log"], said["log files"], said["Dagster runs"]) == (3, 1, 0)
    kept = [(r["Mode"], r["RunId"]) for r in control.query("SELECT Mode, RunId FROM etl.ETL_Log ORDER BY LogId")]
    assert kept == [("full", "r1"), ("partition", "r500")]  # the last of each mode stays, however old
    assert (old.exists(), young.exists()) == (False, True)
    assert control.query("SELECT COUNT(*) AS n FROM etl.SLO_Status")[0]["n"] == 10
    control.close()


def test_zero_days_keep_for_ever(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, journal=JournalSettings(log_days=0, dagster_days=0, file_days=0))
    control = ControlStore(settings)
    log(control, "client", 4000)
    log(control, "client", 1)
    assert tidy(control, settings, NOW).rows == {}
    assert len(control.query("SELECT LogId FROM etl.ETL_Log")) == 2
    control.close()


class _Platform:
    def __init__(self, settings: Settings, control: ControlStore) -> None:
        self.settings, self.control = settings, control

    def now(self) -> dt.datetime:
        return NOW


def test_the_same_on_postgresql(control_postgres: str, tmp_path: Path) -> None:
    """Dagster's storage in production: all events in one table, no file a run."""
    pytest.importorskip("dagster_postgres", reason="the extra `postgres` is not installed")
    url = control_postgres.replace("postgresql+psycopg://", "postgresql+psycopg2://")
    (tmp_path / "dagster.yaml").write_text(json.dumps({"storage": {"postgres": {"postgres_url": url}}, "telemetry": {"enabled": False}}))

    @dg.asset(check_specs=[dg.AssetCheckSpec("good", asset="a")])
    def a() -> dg.MaterializeResult:  # type: ignore[type-arg]
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        runs = [dg.materialize([a], instance=instance).run_id for _ in range(3)]
        done = prune_runs(instance, dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
        assert (done.runs, done.checks) == (3, 2)
        latest = instance.get_latest_materialization_event(dg.AssetKey("a"))
        assert latest is not None
        assert latest.run_id == runs[-1]
        assert instance.get_runs() == []
        assert instance.all_logs(runs[0]) == []
