"""One step = one table: read the run's wish, load, tell Dagster which partitions are now covered.

Owns the glue between a Dagster context and `pipeline.load`; decides nothing about data.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import dagster as dg

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.checks import check_results, quality_metadata
from cbm_etl_assets.orchestration.drift import report_drift
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.internals import report_materializations
from cbm_etl_assets.orchestration.names import LAYERS, asset_key, op_name
from cbm_etl_assets.orchestration.options import plan_loads
from cbm_etl_assets.orchestration.partitions import key_of_day, keys_until
from cbm_etl_assets.orchestration.reaper import mark_owner
from cbm_etl_assets.orchestration.report import Metadata, layer_metadata, partition_metadata
from cbm_etl_assets.pipeline import load as loader
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadEvent, LoadResult, Mode, OnEvent
from cbm_etl_assets.quality.report import QualityReport

OnResult = Callable[[LoadResult], None]
PROGRESS_SECONDS = 30.0  # Every line is a row of the event log for ever.


@dataclass
class Progress:
    """Progress of one load as log lines: every retry, else one line in PROGRESS_SECONDS; a quick load writes none."""

    log: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self._next = self.clock() + PROGRESS_SECONDS

    def __call__(self, event: LoadEvent) -> None:
        now = self.clock()
        if event.stage == "retry":
            self.log(f"{event.table}: transient error, trying again after attempt {event.rows}")
            return
        if now < self._next:
            return
        self._next = now + PROGRESS_SECONDS
        self.log(f"{event.table}: {event.stage}, {event.rows:,} rows, {event.bytes:,} bytes so far")


@dataclass(frozen=True)
class StepHooks:
    """In-process launches listen here: every table's result, and progress for a bar."""

    on_result: OnResult | None = None
    on_event: OnEvent | None = None


def run_partitions(context: dg.AssetExecutionContext, spec: TableSpec) -> tuple[str, ...]:
    """The run's partition keys of this table: none when the table or the run has no partitions."""
    if spec.partition is None or not context.run.is_partitioned:
        return ()
    return tuple(context.partition_keys)


def load_step(
    context: dg.AssetExecutionContext, spec: TableSpec, platform: Platform, mode: Mode, hooks: StepHooks, skip_validation: bool = False
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
    """Yields: one result a layer and one a rule. Raises: dg.Failure in place of every error, redacted; an interrupt passes through."""
    keys = run_partitions(context, spec)
    mark_owner(context.instance, context.run)
    on_event = hooks.on_event or Progress(context.log.info)
    results: list[LoadResult] = []
    reports: list[QualityReport] = []
    failure: dg.Failure | None = None
    try:
        loads = plan_loads(spec, mode, keys, context.run.run_id)
        loads = [replace(options, skip_validation=skip_validation, on_quality=reports.append) for options in loads]
        results.extend(loader.load_table(platform, spec, options, on_event) for options in loads)
    except Exception as error:  # noqa: BLE001  any text may hold a secret: nothing foreign goes to the event log unredacted
        failure = as_failure(error, spec.name, platform.settings)
    report_drift(context, platform, spec)
    if failure is not None:
        yield from check_results(spec, reports, "the load stopped before its rules")
        raise failure from None
    if hooks.on_result:
        for result in results:
            hooks.on_result(result)
    _describe_partitions(context, spec, results, keys)
    # Before the run's own: the UI shows an asset's latest event, and that must be the one with the numbers.
    _report_covered(context, spec, results, keys)
    yield from _materializations(spec, results)
    yield from check_results(spec, reports)


def _materializations(spec: TableSpec, results: list[LoadResult]) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
    metadata, quality = layer_metadata(results), quality_metadata(results[-1].quality)
    for layer in LAYERS:
        yield dg.MaterializeResult(asset_key=asset_key(layer, spec.name), metadata={**metadata[layer], **quality})


def _describe_partitions(context: dg.AssetExecutionContext, spec: TableSpec, results: list[LoadResult], keys: tuple[str, ...]) -> None:
    if len(keys) < 2:
        return
    for result in results:
        for key in result.partitions:
            for layer in LAYERS:
                context.add_asset_metadata(partition_metadata(result), asset_key=asset_key(layer, spec.name), partition_key=key)


def covered_partitions(spec: TableSpec, results: list[LoadResult]) -> tuple[str, ...]:
    """The partitions these loads make current: all until the source's day for a full, the source's day for an incremental."""
    last = results[-1]
    if spec.partition is None or last.t0 is None or last.mode is Mode.PARTITION:
        return ()
    day: dt.date = last.t0.date()
    if day < spec.partition.start:
        return ()
    return keys_until(spec.partition, day) if last.mode is Mode.FULL else (key_of_day(spec.partition.grain, day),)


def _report_covered(context: dg.AssetExecutionContext, spec: TableSpec, results: list[LoadResult], keys: tuple[str, ...]) -> None:
    """Partitions the run was not launched on. A full load names only those still missing: a daily one writes no thousand events."""
    covered = covered_partitions(spec, results)
    is_full = results[-1].mode is Mode.FULL
    metadata: Metadata = {"covered_by": f"{results[-1].mode} load", "load_seq": results[-1].seq}
    found: list[dg.AssetMaterialization] = []
    for layer in LAYERS if covered else ():
        key = asset_key(layer, spec.name)
        known = set(keys) | (context.instance.get_materialized_partitions(key) if is_full else set())
        found += [dg.AssetMaterialization(asset_key=key, partition=p, metadata=metadata) for p in covered if p not in known]
    if found:
        report_materializations(context.instance, context.run, op_name(spec.name), found)
