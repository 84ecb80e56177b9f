"""Run tables through Dagster in this process, against an instance, so that the run stands in the UI.

For the CLI and the demo: no daemon, no code server, one in-process run (several where grains differ). Owns the order of
runs and the translation of Dagster's events back to LoadResults.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from graphlib import TopologicalSorter

import dagster as dg
from dagster._core.execution.plan.objects import ErrorSource

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.assets import dependencies, table_assets
from cbm_etl_assets.orchestration.build import make_blueprint
from cbm_etl_assets.orchestration.failures import redact
from cbm_etl_assets.orchestration.interrupts import interrupts_raised_after
from cbm_etl_assets.orchestration.jobs import TableGroup, by_grain
from cbm_etl_assets.orchestration.names import LAYERS, asset_key, op_name
from cbm_etl_assets.orchestration.options import run_config
from cbm_etl_assets.orchestration.partitions import adjacent_groups, key_of_day, source_day
from cbm_etl_assets.orchestration.reaper import OWNER_TAG, reap_stale_runs
from cbm_etl_assets.orchestration.resources import default_resources
from cbm_etl_assets.orchestration.schedules import PARTITION_TAG
from cbm_etl_assets.orchestration.step import StepHooks
from cbm_etl_assets.pipeline.results import LoadResult, Mode, OnEvent, Status
from cbm_etl_assets.reliability.process import process_owner
from cbm_etl_assets.settings import Settings

RANGE_TAGS = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
# Dagster prints every event to stderr otherwise; failures come back as results.
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
IMPLICIT_JOB = "__ASSET_JOB"  # the job the UI itself runs assets in, the only one that takes any mix of them


@dataclass(frozen=True)
class LaunchOptions:
    """`partitions` are keys of the tables' grain: one run a run of adjacent keys. `resources` replaces ours (tests)."""

    mode: Mode = Mode.AUTO
    partitions: tuple[str, ...] = ()
    on_event: OnEvent | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, object] = field(default_factory=dict)


def run_tables(
    instance: dg.DagsterInstance, settings: Settings, catalog: Mapping[str, TableSpec], tables: Sequence[TableSpec],
    options: LaunchOptions = LaunchOptions(),
) -> list[LoadResult]:  # fmt: skip
    """Load the tables, dependencies first. A failed table is a result with its error; what depends on it is SKIPPED."""
    reap_stale_runs(instance)
    done: list[LoadResult] = []
    for wave in waves(tables, catalog):
        lost = {r.table for r in done if r.status is not Status.SUCCESS}
        blocked = [s for s in wave.tables if lost & {d.name for d in dependencies(s, catalog)}]
        done += [_skipped(s.name) for s in blocked]
        ready = tuple(s for s in wave.tables if s not in blocked)
        for tags in _run_tags(ready, options, settings) if ready else []:
            done += _run(instance, settings, catalog, ready, (options, tags))
    return done


def waves(tables: Sequence[TableSpec], catalog: Mapping[str, TableSpec]) -> list[TableGroup]:
    """Runs to make, in order: usually one; more where grains differ, cut so that no table precedes what it depends on."""
    chosen = {spec.name: spec for spec in tables}
    order = TopologicalSorter({name: [d.name for d in dependencies(s, catalog) if d.name in chosen] for name, s in chosen.items()})
    if len({s.partition.grain for s in tables if s.partition}) <= 1:
        return by_grain("tables", [chosen[name] for name in order.static_order()], "")
    order.prepare()
    groups: list[TableGroup] = []
    while order.is_active():
        names = order.get_ready()
        groups += by_grain("tables", [chosen[name] for name in sorted(names)], "")
        order.done(*names)
    return groups


def _run_tags(tables: tuple[TableSpec, ...], options: LaunchOptions, settings: Settings) -> list[dict[str, str]]:
    """The partition tags of each run. Without partitions asked for, the source's current one (see `schedules`)."""
    partition = next((s.partition for s in tables if s.partition), None)
    if partition is None:
        return [{}]
    if not options.partitions:
        mode_day = source_day(datetime.now(UTC), settings.source.timezone)
        return [{PARTITION_TAG: key_of_day(partition.grain, mode_day)}]
    groups = adjacent_groups(partition, options.partitions)
    return [{RANGE_TAGS[0]: g[0], RANGE_TAGS[1]: g[-1]} if len(g) > 1 else {PARTITION_TAG: g[0]} for g in groups]


def _run(
    instance: dg.DagsterInstance, settings: Settings, catalog: Mapping[str, TableSpec], tables: tuple[TableSpec, ...],
    how: tuple[LaunchOptions, dict[str, str]],
) -> list[LoadResult]:  # fmt: skip
    options, partition_tags = how
    loaded: list[LoadResult] = []
    blueprint = make_blueprint(catalog, settings, StepHooks(on_result=loaded.append, on_event=options.on_event))
    definitions = dg.Definitions(
        assets=[table_assets(spec, blueprint) for spec in tables],
        resources={**default_resources(settings, catalog), **options.resources},
        executor=dg.in_process_executor,
    )
    with interrupts_raised_after():
        result = definitions.resolve_job_def(IMPLICIT_JOB).execute_in_process(
            instance=instance,
            run_config={**run_config(options.mode), **QUIET},
            tags={**options.tags, **partition_tags, "mode": options.mode.value, OWNER_TAG: process_owner("run")},
            asset_selection=[asset_key(layer, spec.name) for spec in tables for layer in LAYERS],
            raise_on_error=False,
        )
    failed = {e.step_key: e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_FAILURE}
    if any(e.step_failure_data.error_source is ErrorSource.INTERRUPT for e in failed.values()):
        raise KeyboardInterrupt  # Dagster closed the run as interrupted and kept the exception
    names = {r.table for r in loaded}
    lost = [_failed(s.name, failed[op_name(s.name)], result.run_id) for s in tables if s.name not in names and op_name(s.name) in failed]
    why = "" if failed else _stopped(result.all_events, settings)
    missing = [_skipped(s.name, result.run_id, why) for s in tables if s.name not in names and op_name(s.name) not in failed]
    return [*loaded, *lost, *missing]


def _stopped(events: Sequence[dg.DagsterEvent], settings: Settings) -> str:
    """Why a run ended before any table's step, for instance because the platform could not be opened; empty if it did not."""
    error = next((e.job_failure_data.error for e in events if e.event_type is dg.DagsterEventType.RUN_FAILURE), None)
    while error is not None and error.cause is not None:
        error = error.cause
    return redact(error.message.strip().partition(": ")[2] or error.message.strip(), settings) if error else ""


def _failed(table: str, event: dg.DagsterEvent, run_id: str) -> LoadResult:
    data = event.step_failure_data.user_failure_data
    values = {name: getattr(value, "value", value) for name, value in (data.metadata if data else {}).items()}
    kind = str(values.get("error_class", "DagsterError"))
    message = (data.description if data else None) or str(event.message)
    return LoadResult(
        table=table, status=Status.BUSY if kind == "BusyError" else Status.FAILED, mode=Mode.AUTO, run_id=run_id, error_class=kind,
        error_message=message, exit_code=int(str(values.get("exit_code") or 1)),
    )  # fmt: skip


def _skipped(table: str, run_id: str = "", why: str = "") -> LoadResult:
    """`why`: the run itself failed, and every table of it with it."""
    return LoadResult(
        table=table, status=Status.FAILED if why else Status.SKIPPED, mode=Mode.AUTO, run_id=run_id, exit_code=1,
        error_class="RunError" if why else "", error_message=why or "a table it depends on failed",
    )  # fmt: skip
