"""The job `maintenance`, every night, on by default: the journal, the log files and Dagster's own event log are pruned.

No data depends on it. It touches neither source nor warehouse, so it waits for nobody and nobody for it.
"""

import datetime as dt
from collections.abc import Mapping

import dagster as dg

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.prune import Pruned, prune_runs
from cbm_etl_assets.pipeline.maintenance import tidy
from cbm_etl_assets.pipeline.objectives import measure
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.settings import Settings

JOB = "maintenance"


def keep_house(instance: dg.DagsterInstance, platform: Platform, catalog: Mapping[str, TableSpec]) -> dict[str, int]:
    """Returns what was removed, by kind. The objectives are evaluated first, from all there is."""
    settings, now = platform.settings, platform.now()
    measure(platform.control, catalog, settings, now)
    tidied = tidy(platform.control, settings, now)
    pruned = prune_dagster(instance, settings, now)
    return {
        **{f"rows of {table}": n for table, n in tidied.rows.items()}, "log files": tidied.files,
        "Dagster runs": pruned.runs, "Dagster events": pruned.events, "Dagster check results": pruned.checks,
    }  # fmt: skip


def prune_dagster(instance: dg.DagsterInstance, settings: Settings, now: dt.datetime) -> Pruned:
    days = settings.journal.dagster_days
    return prune_runs(instance, now - dt.timedelta(days=days)) if days else Pruned()


def maintenance_job(catalog: Mapping[str, TableSpec], settings: Settings) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    @dg.op(name="prune", description="Old rows, files and runs leave; the newest of each kind stays.")
    def prune(context: dg.OpExecutionContext, platform: dg.ResourceParam[Platform]) -> None:
        failure: dg.Failure | None = None
        try:
            context.add_output_metadata({**keep_house(context.instance, platform, catalog)})
        except Exception as error:  # noqa: BLE001  any text may hold a secret: nothing foreign goes to the event log unredacted
            failure = as_failure(error, "maintenance", settings)
        if failure is not None:
            raise failure from None

    @dg.job(name=JOB, description="Prunes the journal, the log files and Dagster's event log", executor_def=dg.in_process_executor)
    def maintenance() -> None:
        prune()

    schedule = dg.ScheduleDefinition(
        name=f"{JOB}_schedule", job=maintenance, cron_schedule=settings.journal.maintenance_cron,
        execution_timezone=settings.source.timezone, default_status=dg.DefaultScheduleStatus.RUNNING,
    )  # fmt: skip
    return maintenance, schedule
