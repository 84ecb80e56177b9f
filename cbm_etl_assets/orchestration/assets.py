"""Three assets a table, one step: raw/<t> -> stg/<t> -> ods/<t>.

One step because one load is one lock and one atomic unit; docs/decisions says what that costs. Owns how a spec looks in
Dagster: lineage, groups, owners, kinds, tags, freshness. Touches no database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import dagster as dg

from cbm_etl_assets.errors import UnknownTableError
from cbm_etl_assets.metadata.spec import FreshnessSpec, TableSpec
from cbm_etl_assets.orchestration import names
from cbm_etl_assets.orchestration.checks import check_specs
from cbm_etl_assets.orchestration.options import LoadConfig, RunOptions
from cbm_etl_assets.orchestration.partitions import dependency_mapping, partitions_def
from cbm_etl_assets.orchestration.report import column_schema
from cbm_etl_assets.orchestration.step import StepHooks, load_step
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import Mode

WRITER_POOL = "duckdb_writer"
WHAT = {"raw": "Parquet files of the last extraction, as the source gave it", "stg": "rows of the load, cleaned", "ods": "one row a key"}


@dataclass(frozen=True)
class Blueprint:
    """What all tables share. `pool` is set where the warehouse takes one writing process at a time."""

    catalog: Mapping[str, TableSpec]
    timezone: str
    source_kind: str
    warehouse_kind: str
    pool: str | None = None
    hooks: StepHooks = field(default_factory=StepHooks)


def table_assets(spec: TableSpec, blueprint: Blueprint) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=names.op_name(spec.name),
        specs=[_asset_spec(spec, layer, blueprint) for layer in names.LAYERS],
        check_specs=check_specs(spec),
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=False,
        pool=blueprint.pool,
        op_tags={"priority": spec.priority.value},
    )
    def load(
        context: dg.AssetExecutionContext, config: LoadConfig, platform: dg.ResourceParam[Platform], load_options: RunOptions
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:  # type: ignore[type-arg]
        mode = config.mode if config.mode != "auto" else load_options.mode
        skip_validation = config.skip_validation or load_options.skip_validation
        yield from load_step(context, spec, platform, Mode(mode), blueprint.hooks, skip_validation)

    return load


def _asset_spec(spec: TableSpec, layer: str, blueprint: Blueprint) -> dg.AssetSpec:
    storage = {blueprint.source_kind, "parquet"} if layer == "raw" else {blueprint.warehouse_kind, layer}
    title = spec.description or f"{spec.source_schema}.{spec.table}"
    return dg.AssetSpec(
        key=names.asset_key(layer, spec.name),
        deps=_deps(spec, layer, blueprint),
        description=f"{title}\n\n{layer}: {WHAT[layer]}.",
        metadata={"dagster/column_schema": column_schema(spec, layer), "source_table": f"{spec.source_schema}.{spec.table}"},
        group_name=names.safe(spec.group),
        owners=[names.owner(o) for o in spec.owners],
        tags={"layer": layer, "priority": spec.priority.value, "kind": spec.kind.value, **_own_tags(spec)},
        kinds=storage,
        partitions_def=partitions_def(spec.partition, blueprint.timezone),
        freshness_policy=_freshness(spec.freshness) if layer == "ods" else None,
    )


def _own_tags(spec: TableSpec) -> dict[str, str]:
    return {names.tag_value(key): names.tag_value(value) for key, value in spec.tags.items()}


def _freshness(freshness: FreshnessSpec) -> dg.FreshnessPolicy:
    warn = freshness.warn if freshness.warn < freshness.fail else None
    return dg.FreshnessPolicy.time_window(fail_window=freshness.fail, warn_window=warn)


def _deps(spec: TableSpec, layer: str, blueprint: Blueprint) -> list[dg.AssetDep]:
    """Inside the table the layer before; into raw, the ODS of each table this one waits for (order and lineage, no data)."""
    if layer != "raw":
        before = names.LAYERS[names.LAYERS.index(layer) - 1]
        return [dg.AssetDep(names.asset_key(before, spec.name))]
    return [
        dg.AssetDep(names.asset_key("ods", upstream.name), partition_mapping=dependency_mapping(spec, upstream))
        for upstream in dependencies(spec, blueprint.catalog)
    ]


def dependencies(spec: TableSpec, catalog: Mapping[str, TableSpec]) -> list[TableSpec]:
    """The specs of `depends_on`, compared without case as table names are. Raises: UnknownTableError."""
    by_name = {s.name.lower(): s for s in catalog.values()}
    found = []
    for name in spec.depends_on:
        if name.lower() not in by_name:
            raise UnknownTableError(name, [s.name for s in catalog.values()])
        found.append(by_name[name.lower()])
    return found
