"""Schedules from the specs: tables of one cron, time zone and mode load together, in one run.

A scheduled load stands on the source's current partition with its mode in the run configuration, and reads rows of any date.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

import dagster as dg

from cbm_etl_assets.metadata.spec import ScheduleSpec, TableSpec
from cbm_etl_assets.orchestration.internals import Job
from cbm_etl_assets.orchestration.jobs import TableGroup, build_job, by_grain
from cbm_etl_assets.orchestration.names import cron_slug, safe
from cbm_etl_assets.orchestration.options import run_config
from cbm_etl_assets.orchestration.partitions import key_of_day, source_day
from cbm_etl_assets.pipeline.results import Mode

PARTITION_TAG = "dagster/partition"


def scheduled_groups(specs: Iterable[TableSpec]) -> list[tuple[ScheduleSpec, TableGroup]]:
    by_schedule: dict[ScheduleSpec, list[TableSpec]] = defaultdict(list)
    for spec in specs:
        if spec.schedule:
            by_schedule[spec.schedule].append(spec)
    zones: dict[tuple[str, str, bool], set[str]] = defaultdict(set)
    for s in by_schedule:
        zones[s.mode, s.cron, s.enabled].add(s.timezone)
    found = []
    for schedule, members in by_schedule.items():
        zone = f"_{safe(schedule.timezone)}" if len(zones[schedule.mode, schedule.cron, schedule.enabled]) > 1 else ""
        name = f"{schedule.mode}_{cron_slug(schedule.cron)}{zone}" + ("" if schedule.enabled else "_off")
        about = f"{schedule.mode} load at '{schedule.cron}' {schedule.timezone}"
        found += [(schedule, group) for group in by_grain(name, members, about)]
    return found


def run_request(group: TableGroup, mode: Mode, moment: dt.datetime, timezone: str) -> dg.RunRequest:
    """A run on the partition that holds the source's day at `moment`; on none when no table is partitioned."""
    tags = {"mode": mode.value}
    if group.grain is None:
        return dg.RunRequest(run_config=run_config(mode), tags=tags)
    key = key_of_day(group.grain, source_day(moment, timezone))
    if group.has_one_calendar:
        return dg.RunRequest(run_config=run_config(mode), tags=tags, partition_key=key)
    # A job over several calendars has no partitions of its own: the tag alone places its run.
    return dg.RunRequest(run_config=run_config(mode), tags={**tags, PARTITION_TAG: key})


def build_schedule(schedule: ScheduleSpec, group: TableGroup, job: Job, timezone: str) -> dg.ScheduleDefinition:
    status = dg.DefaultScheduleStatus.RUNNING if schedule.enabled else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=f"{group.name}_schedule", job=job, cron_schedule=schedule.cron, execution_timezone=schedule.timezone,
        default_status=status, description=group.description,
    )  # fmt: skip
    def launch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return run_request(group, Mode(schedule.mode), context.scheduled_execution_time, timezone)

    return launch


def build_schedules(specs: Iterable[TableSpec], assets: dg.Definitions, timezone: str) -> tuple[list[Job], list[dg.ScheduleDefinition]]:
    jobs: list[Job] = []
    schedules = []
    for schedule, group in scheduled_groups(specs):
        job = build_job(group, assets)
        jobs.append(job)
        schedules.append(build_schedule(schedule, group, job, timezone))
    return jobs, schedules
