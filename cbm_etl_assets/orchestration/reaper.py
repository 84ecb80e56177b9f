"""Runs whose process is gone: told failed, their pool slots freed.

A run killed with -9 stays STARTED for ever with the default launcher, and keeps the writer's slot. Every step leaves its
process's name on the run; whoever comes next asks the operating system. No data depends on it.
"""

import dagster as dg

from cbm_etl_assets.reliability.process import is_dead, process_owner

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


def stale_run_sensor() -> dg.SensorDefinition:
    @dg.sensor(
        name="stale_run_reaper", minimum_interval_seconds=INTERVAL_SECONDS, default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks runs failed whose process was killed.",
    )  # fmt: skip
    def reaper(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        reaped = reap_stale_runs(context.instance)
        return dg.SkipReason(f"Closed {len(reaped)} stale runs: {', '.join(reaped)}" if reaped else "No stale run.")

    return reaper
