"""Runs whose process is gone: told failed, their pool slots freed.

A run killed with -9 stays STARTED for ever with the default launcher, and keeps the writer's slot. Every step leaves its
process's name on the run; whoever comes next asks the operating system. No data depends on it. The sensor closes the rows of
etl.ETL_Log too, of runs of the command line as well: nobody need call `cbm-etl status` for a killed run to be shown failed.
"""

import dagster as dg

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.reliability.process import is_dead, process_owner
from cbm_etl_assets.settings import Settings

OWNER_TAG = "cbm/owner"
ALIVE = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
INTERVAL_SECONDS = 60


def mark_owner(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Leave this process's name on the run, once."""
    owner = process_owner("run")
    if run.tags.get(OWNER_TAG) != owner:
        instance.add_run_tags(run.run_id, {OWNER_TAG: owner})


def reap_stale_runs(instance: dg.DagsterInstance) -> list[str]:
    """Close the runs whose process of this host is surely gone. Returns their ids."""
    reaped = []
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=ALIVE)):
        owner = run.tags.get(OWNER_TAG, "")
        if is_dead(owner):
            message = f"The process of this run is gone ({owner}): killed, or the machine stopped. Run it again."
            instance.report_run_failed(run, message=message)
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            reaped.append(run.run_id)
    return reaped


def close_log_rows(settings: Settings) -> str:
    """What became of the STARTED rows of dead processes, in words: a control database out of reach fails no sensor."""
    control = ControlStore(settings)
    try:
        closed = control.reap_runs()
    except CbmError as error:
        return f" etl.ETL_Log was not looked at: {type(error).__name__}."
    finally:
        control.close()
    return f" Closed {closed} rows of etl.ETL_Log." if closed else ""


def stale_run_sensor(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name="stale_run_reaper", minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks runs failed whose process was killed, here and in etl.ETL_Log.",
    )  # fmt: skip
    def reaper(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        reaped = reap_stale_runs(context.instance)
        said = f"Closed {len(reaped)} stale runs: {', '.join(reaped)}." if reaped else "No stale run."
        return dg.SkipReason(said + close_log_rows(settings))

    return reaper
