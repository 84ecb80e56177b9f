"""Specs and settings to Dagster definitions. Nothing connects to anything here; 500 tables load in seconds."""

from collections.abc import Mapping
from functools import partial

import dagster as dg

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.assets import WRITER_POOL, Blueprint, table_assets
from cbm_etl_assets.orchestration.certificates import certificate_check, certificate_job
from cbm_etl_assets.orchestration.drift import drift_check
from cbm_etl_assets.orchestration.jobs import build_job, table_groups
from cbm_etl_assets.orchestration.maintenance import maintenance_job
from cbm_etl_assets.orchestration.marts import find_marts, mart_assets
from cbm_etl_assets.orchestration.publish import publish_sensors
from cbm_etl_assets.orchestration.reaper import stale_run_sensor
from cbm_etl_assets.orchestration.resources import default_resources, duckdb_resource
from cbm_etl_assets.orchestration.schedules import build_schedules
from cbm_etl_assets.orchestration.sensors import alert_sensors
from cbm_etl_assets.orchestration.step import StepHooks
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse import registry

SOURCE_KINDS = {"openedge": "openedge", "ansi": "odbc"}


def make_blueprint(catalog: Mapping[str, TableSpec], settings: Settings, hooks: StepHooks = StepHooks()) -> Blueprint:  # noqa: B008  frozen and empty
    single_writer = registry.create(settings).capabilities.single_writer_process
    return Blueprint(
        catalog=catalog,
        timezone=settings.source.timezone,
        source_kind=SOURCE_KINDS.get(settings.source.dialect, "odbc"),
        warehouse_kind=settings.warehouse.kind,
        pool=WRITER_POOL if single_writer else None,
        hooks=hooks,
    )


def build_defs(catalog: Mapping[str, TableSpec], settings: Settings, *, resources: Mapping[str, object] | None = None) -> dg.Definitions:
    """Everything Dagster shows. `resources` replaces ours by name: a fake Platform goes in as it is."""
    specs = sorted(catalog.values(), key=lambda s: s.name)
    blueprint = make_blueprint(catalog, settings)
    tables = [table_assets(spec, blueprint) for spec in specs]
    certificates = [certificate_check(spec, blueprint.pool) for spec in specs]
    drifts = [drift_check(spec) for spec in specs]
    marts = find_marts(catalog) if settings.warehouse.kind == "duckdb" else []
    bound = {**default_resources(settings, catalog), **({"duckdb": duckdb_resource(settings)} if marts else {}), **(resources or {})}
    define = partial(
        dg.Definitions, assets=[*tables, *mart_assets(marts, settings)], asset_checks=[*certificates, *drifts], resources=bound,
        executor=dg.in_process_executor,
    )  # fmt: skip
    bare = define()
    mart_keys = [mart.key for mart in marts]
    jobs = [build_job(group, bare, mart_keys if group.name == "all_tables" else []) for group in table_groups(specs)]
    scheduled, schedules = build_schedules(specs, bare, settings.source.timezone)
    proving, weekly = certificate_job(certificates, settings.source.timezone)
    keeping, nightly = maintenance_job(catalog, settings)
    sensors = [stale_run_sensor(settings), *alert_sensors(catalog, settings), *publish_sensors(catalog, settings)]
    return define(jobs=[*jobs, *scheduled, *proving, keeping], schedules=[*schedules, *weekly, nightly], sensors=sensors)
