"""Runs against a real instance: modes, partitions, covered partitions, failures, secrets."""

import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import BusyError, ControlError, SqlWidthError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.home import open_instance, prepare_home
from cbm_etl_assets.orchestration.launch import LaunchOptions, run_tables
from cbm_etl_assets.orchestration.reaper import OWNER_TAG, close_log_rows, reap_stale_runs
from cbm_etl_assets.orchestration.resources import open_for_runs
from cbm_etl_assets.orchestration.step import Progress
from cbm_etl_assets.pipeline.results import LoadEvent, LoadResult, Mode, Status
from cbm_etl_assets.reliability.process import host_id, process_owner
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets_tests.orchestration.helpers import FakePlatform, ScriptedLoader, catalog, daily, definitions, keys_of, settings_in, spec

# What a load of the command line has written when it is killed while it reads.
KILLED_AFTER_START = """
import datetime as dt, os, pathlib, signal, sys
from cbm_etl_assets.control.port import LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.settings import Settings
control = ControlStore(Settings(home=pathlib.Path(sys.argv[1])))
with control.lock("client", "run", wait_seconds=0, ttl_seconds=120):
    control.start_log(LogStart("run", "client", "full", "", dt.datetime.now(dt.UTC)))
    os.kill(os.getpid(), signal.SIGKILL)
"""
RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


def run(specs: dict[str, TableSpec], settings: Settings, instance: dg.DagsterInstance, **how: Any) -> dg.ExecuteInProcessResult:
    job = definitions(specs, settings).resolve_job_def(how.pop("job", "all_tables"))
    return job.execute_in_process(instance=instance, raise_on_error=False, **how)


def mode(name: str) -> dict[str, Any]:
    return {"resources": {"load_options": {"config": {"mode": name}}}}


def materialized(instance: dg.DagsterInstance, table: str, layer: str = "ods") -> set[str]:
    return instance.get_materialized_partitions(dg.AssetKey([layer, table]))


def test_metadata_of_the_three_layers(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    result = run(catalog(spec("lignecli")), settings, instance)
    assert result.success
    by_layer = {m.asset_key.path[0]: m.metadata for m in result.asset_materializations_for_node("load_lignecli")}
    assert by_layer["raw"]["rows_read"].value == 10
    assert by_layer["raw"]["seconds_extract"].value == 0.5
    assert by_layer["ods"]["rows_updated"].value == 2
    assert by_layer["ods"]["rows_per_second"].value == 10.0
    assert by_layer["ods"]["dagster/row_count"].value == 10
    assert by_layer["ods"]["t0"].value == "2026-11-21 09:30:00"
    assert str(by_layer["ods"]["preview"].value).splitlines() == [
        "| cod_cli | iban |", "| --- | --- |", "| 1 | F***6 |", "| 2 | a&#124;b &lt;script&gt; |",
    ]  # fmt: skip


def test_partition_launch_loads_that_partition(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    assert run(catalog(daily("client"), spec("lignecli")), settings, instance, partition_key="2026-03-01").success
    assert [(name, o.mode, o.partitions) for name, o in loader.calls] == [
        ("client", Mode.PARTITION, ("2026-03-01",)), ("lignecli", Mode.AUTO, ()),
    ]  # fmt: skip
    assert materialized(instance, "client") == {"2026-03-01"}


def test_a_month_is_one_load(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    tags = {RANGE[0]: "2026-03-01", RANGE[1]: "2026-03-30"}
    assert run(catalog(daily("client")), settings, instance, tags=tags).success
    [(_, options)] = loader.calls
    assert len(options.partitions) == 30
    assert len(materialized(instance, "client")) == 30
    event = instance.fetch_materializations(dg.AssetRecordsFilter(dg.AssetKey(["ods", "client"]), asset_partitions=["2026-03-05"]), limit=1)
    found = event.records[0].asset_materialization
    assert found is not None
    assert found.metadata["covered_by"].value == "2026-03-01..2026-03-30"


def test_a_full_leaves_no_partition_missing(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    specs = catalog(daily("client", start="2026-11-01"))
    assert run(specs, settings, instance, partition_key="2026-11-21", run_config=mode("full")).success
    expected = {f"2026-11-{day:02}" for day in range(1, 22)}
    assert all(materialized(instance, "client", layer) == expected for layer in ("raw", "stg", "ods"))
    again = run(specs, settings, instance, partition_key="2026-11-21", run_config=mode("full"))
    assert len(again.asset_materializations_for_node("load_client")) == 3
    assert loader.modes() == {"client": "full"}


def test_an_incremental_covers_the_day_of_the_source(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    assert run(catalog(daily("client")), settings, instance, run_config=mode("incremental")).success
    assert materialized(instance, "client") == {"2026-11-21"}


def test_the_mode_of_a_table_beats_the_mode_of_the_run(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    config = {**mode("incremental"), "ops": {"load_client": {"config": {"mode": "full"}}}}
    run(catalog(daily("client"), spec("lignecli")), settings, instance, partition_key="2026-11-21", run_config=config)
    assert loader.modes() == {"client": "full", "lignecli": "incremental"}


def test_mode_partition_without_partition_is_explained(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    result = run(catalog(daily("client")), settings, instance, run_config=mode("partition"))
    assert not result.success
    assert "mode partition without a partition" in str(failure(result, "load_client").description)


def failure(result: dg.ExecuteInProcessResult, step: str) -> dg.Failure:
    [event] = [e for e in result.all_events if e.is_step_failure and e.step_key == step]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return dg.Failure(description=data.description, metadata=dict(data.metadata))


def test_a_failed_table_stops_only_its_dependants(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    loader.errors["client"] = lambda: SqlWidthError("client.nom: 55 characters in a width of 40.", remedy="raise the SQL width with dbtool")
    specs = catalog(daily("client"), daily("entetcli", depends_on=["client"]), spec("lignecli", depends_on=["entetcli"]), daily("stock"))
    result = run(specs, settings, instance, partition_key="2026-11-21")
    assert not result.success
    assert {name for name, _ in loader.calls} == {"client", "stock"}
    told_skipped = [e.user_message for e in instance.all_logs(result.run_id) if "Not executing" in e.user_message]
    assert sorted(m.split()[3] for m in told_skipped) == ["load_entetcli", "load_lignecli", "marts__ca_par_client"]
    assert {e.step_key for e in result.all_events if e.is_step_success} == {"load_stock"}
    told = failure(result, "load_client")
    assert told.metadata["error_class"].value == "SqlWidthError"
    assert told.metadata["remedy"].value == "raise the SQL width with dbtool"


@pytest.mark.parametrize("error", [ValueError, SqlWidthError])
def test_no_secret_reaches_the_event_log(
    instance: dg.DagsterInstance, loader: ScriptedLoader, tmp_path: Path, error: type[Exception]
) -> None:
    connection = "DSN=prod;UID=etl;PWD=s3cr3t-Pa55"
    settings = settings_in(tmp_path / "home", source=SourceSettings(connection_string=SecretStr(connection)))

    def leak() -> Exception:
        cause = RuntimeError(f"driver said: {connection}")
        failed = error(f"cannot log in with s3cr3t-Pa55 ({connection})")
        failed.__cause__ = cause
        return failed

    loader.errors["client"] = leak
    result = run(catalog(spec("client")), settings, instance)
    assert not result.success
    logged = "\n".join(str(e) for e in instance.all_logs(result.run_id))
    assert "cannot log in" in logged
    assert "s3cr3t-Pa55" not in logged


# --- launched from the CLI ---------------------------------------------------------------------------------------------


def launch(instance: dg.DagsterInstance, settings: Settings, specs: dict[str, TableSpec], **how: Any) -> dict[str, LoadResult]:
    options = LaunchOptions(resources={"platform": FakePlatform(settings)}, **how)
    return {r.table: r for r in run_tables(instance, settings, specs, list(specs.values()), options)}


def test_launch_answers_as_the_loader_does(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    loader.errors |= {"client": lambda: SqlWidthError("too wide"), "stock": lambda: BusyError("held by another run")}
    specs = catalog(
        daily("client"), spec("lignecli", depends_on=["client"]), daily("stock", start="2026-03-01"),
        daily("produit", depends_on=["fournis"]), daily("fournis"),
    )  # fmt: skip
    results = launch(instance, settings, specs, mode=Mode.INCREMENTAL)
    assert {t: r.status for t, r in results.items()} == {
        "client": Status.FAILED, "lignecli": Status.SKIPPED, "stock": Status.BUSY, "produit": Status.SUCCESS, "fournis": Status.SUCCESS,
    }  # fmt: skip
    assert results["client"].error_class == "SqlWidthError"
    assert results["stock"].exit_code == 3
    assert results["produit"].mode is Mode.INCREMENTAL
    [record] = instance.get_runs()
    assert record.run_id == results["produit"].run_id


def test_launch_of_mixed_grains_keeps_the_order(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    specs = catalog(daily("client", depends_on=["stat"]), daily("stat", grain="month"), spec("lignecli", depends_on=["client"]))
    results = launch(instance, settings, specs, mode=Mode.FULL)
    assert [name for name, _ in loader.calls] == ["stat", "client", "lignecli"]
    assert all(r.status is Status.SUCCESS for r in results.values())
    assert "2026-11-01" in materialized(instance, "stat")


def test_launch_of_scattered_partitions(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    launch(instance, settings, catalog(daily("client")), partitions=("2026-03-05", "2026-03-01", "2026-03-02"))
    assert [o.partitions for _, o in loader.calls] == [("2026-03-01", "2026-03-02"), ("2026-03-05",)]
    assert materialized(instance, "client") == {"2026-03-01", "2026-03-02", "2026-03-05"}


def test_a_single_layer_cannot_be_chosen(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    with pytest.raises(dg.DagsterInvalidSubsetError):
        run(catalog(daily("client")), settings, instance, asset_selection=keys_of("client")[:1], partition_key="2026-03-01")


def test_many_covered_partitions_are_stored_at_once(tmp_path: Path, settings: Settings, loader: ScriptedLoader) -> None:
    """On the SQLite files people really have: every layer, the run's own page and the asset's latest event."""
    specs = catalog(daily("client", start="2024-01-01"))
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as real:
        result = run(specs, settings, real, partition_key="2026-11-21", run_config=mode("full"))
        assert result.success
        days = 1056  # 2024-01-01 to 2026-11-21
        assert [len(materialized(real, "client", layer)) for layer in ("raw", "stg", "ods")] == [days] * 3
        records = real.get_records_for_run(result.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION, limit=10_000).records
        assert len(records) == 3 * days
        latest = real.get_latest_materialization_event(dg.AssetKey(["ods", "client"]))
        assert latest is not None
        assert latest.asset_materialization is not None
        assert latest.asset_materialization.metadata["rows_read"].value == 10


def test_a_launch_in_the_persistent_home(settings: Settings, loader: ScriptedLoader) -> None:
    """The CLI's way: our dagster.yaml is in force, connections are kept open meanwhile and given back after."""
    with open_instance(settings) as opened:
        assert opened.get_concurrency_config().pool_config.default_pool_limit == 1
        assert not opened.telemetry_enabled
        assert launch(opened, settings, catalog(daily("client")), mode=Mode.FULL)["client"].status is Status.SUCCESS
    assert "_connect" not in vars(opened.event_log_storage)
    with open_instance(settings) as again:
        assert [run.status for run in again.get_runs()] == [dg.DagsterRunStatus.SUCCESS]
        assert "2026-11-20" in materialized(again, "client")


def test_an_edited_dagster_yaml_stays(settings: Settings) -> None:
    kept = prepare_home(settings) / "dagster.yaml"
    kept.write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    prepare_home(settings)
    assert kept.read_text(encoding="utf-8") == "telemetry: {enabled: false}\n"


def test_a_killed_run_is_reaped(settings: Settings, instance: dg.DagsterInstance) -> None:
    dead, alive = f"{host_id()}:999999999:run", process_owner("run")
    made = [
        instance.create_run_for_job(
            definitions(catalog(spec("client")), settings).resolve_job_def("all_tables"), status=dg.DagsterRunStatus.STARTED,
            tags={OWNER_TAG: owner},
        )
        for owner in (dead, alive)
    ]  # fmt: skip
    assert reap_stale_runs(instance) == [made[0].run_id]
    found = {run.run_id: run.status for run in instance.get_runs()}
    assert found == {made[0].run_id: dg.DagsterRunStatus.FAILURE, made[1].run_id: dg.DagsterRunStatus.STARTED}


def test_the_sensor_closes_the_log_row_of_a_killed_run_of_the_command_line(settings: Settings, instance: dg.DagsterInstance) -> None:
    """CF13: within a minute, though nobody asks for the status and no load of the table comes."""
    killed = subprocess.run([sys.executable, "-c", KILLED_AFTER_START, str(settings.home)], check=False)
    assert killed.returncode == -signal.SIGKILL
    sensor = definitions(catalog(spec("client")), settings).resolve_sensor_def("stale_run_reaper")
    assert sensor.minimum_interval_seconds == 60
    with dg.build_sensor_context(instance=instance) as context:
        said = sensor.evaluate_tick(context).skip_message
    assert said == "No stale run. Closed 1 rows of etl.ETL_Log."
    control = ControlStore(settings)
    try:
        [row] = control.query("SELECT Status, ErrorClass FROM etl.ETL_Log")
    finally:
        control.close()
    assert tuple(row.values()) == ("failed", "OrphanedRun")


def test_the_sensor_outlives_a_damaged_control_database(settings: Settings, instance: dg.DagsterInstance) -> None:
    settings.control_dir.mkdir(parents=True)
    (settings.control_dir / "etl.db").write_bytes(b"no database" * 1000)
    assert close_log_rows(settings) == " etl.ETL_Log was not looked at: ControlError."


def test_an_interrupt_is_no_failure_of_the_table(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    loader.errors["client"] = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        launch(instance, settings, catalog(spec("client"), spec("stock")))
    assert [name for name, _ in loader.calls] == ["client"]
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


def test_sigterm_ends_the_launch_as_its_handler_says(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    def terminated(_signum: int, _frame: FrameType | None) -> None:
        raise SystemExit(143)

    def killed_meanwhile() -> BaseException:
        signal.raise_signal(signal.SIGTERM)
        return AssertionError("the signal came too late")

    before = {signum: signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGTERM, terminated)
    try:
        loader.errors["client"] = killed_meanwhile
        with pytest.raises(SystemExit) as ended:
            launch(instance, settings, catalog(spec("client"), spec("stock")))
        assert ended.value.code == 143
        assert [name for name, _ in loader.calls] == ["client"]
        assert signal.getsignal(signal.SIGTERM) is terminated
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def test_a_platform_that_cannot_be_opened_is_named_on_every_table(settings: Settings, instance: dg.DagsterInstance) -> None:
    settings = settings.model_copy(update={"source": SourceSettings(connection_string=SecretStr("DSN=x;PWD=hunter2"))})

    @dg.resource
    def platform(_context: dg.InitResourceContext) -> object:
        raise as_failure(ControlError("The control database hunter2 is out of reach."), "platform", settings)

    specs = catalog(spec("client"), spec("stock", depends_on=["client"]))
    results = run_tables(instance, settings, specs, list(specs.values()), LaunchOptions(resources={"platform": platform}))
    assert [(r.table, r.status, r.exit_code, r.error_class) for r in results] == [
        ("client", Status.FAILED, 1, "RunError"), ("stock", Status.FAILED, 1, "RunError"),
    ]  # fmt: skip
    assert all("The control database" in r.error_message and "hunter2" not in r.error_message for r in results)


def test_a_run_projects_the_specs(settings: Settings) -> None:
    platform = open_for_runs(settings, catalog(spec("client"), spec("stock")))
    try:
        projected = platform.control.query("SELECT TableName, SlaHours FROM etl.Table_SLA ORDER BY TableName")
    finally:
        platform.close()
    assert [(row["TableName"], row["SlaHours"]) for row in projected] == [("client", 24.0), ("stock", 24.0)]


def test_progress_writes_few_lines() -> None:
    now, lines = [0.0], list[str]()
    progress = Progress(lines.append, clock=lambda: now[0])
    for now[0] in (1.0, 29.0, 31.0, 32.0, 62.0):
        progress(LoadEvent("client", "extract", rows=1000, bytes=5))
    progress(LoadEvent("client", "retry", rows=2))
    assert lines == ["client: extract, 1,000 rows, 5 bytes so far"] * 2 + ["client: transient error, trying again after attempt 2"]
