"""Resources: the platform a run works with, its options, and DuckDB for assets that users write downstream.

A resource hands over a plain object: tests put a fake Platform where this builds one. No secret enters a resource's
configuration: settings are closed over, and Dagster never sees them.
"""

from collections.abc import Iterator, Mapping

import dagster as dg

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.observability.logs import configure_logging
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.options import RunOptions
from cbm_etl_assets.pipeline import platform as wiring
from cbm_etl_assets.settings import Settings

STORAGE_VERSION = "v1.5.0"  # BI tools built on DuckDB 1.5 cannot open files written in 2.0's own format.


def open_for_runs(settings: Settings, catalog: Mapping[str, TableSpec]) -> wiring.Platform:
    """The platform, with the specs projected into the control database once a run (5 ms when nothing changed), as the CLI does."""
    configure_logging(settings.log_dir, settings.secrets())  # the same JSON lines as the CLI's, beside Dagster's own log
    opened = wiring.open_platform(settings, catalog)
    try:
        opened.control.upgrade()
        opened.control.project_specs(list(catalog.values()))
    except BaseException:
        opened.close()
        raise
    return opened


def platform_resource(settings: Settings, catalog: Mapping[str, TableSpec]) -> dg.ResourceDefinition:
    @dg.resource(description="Source, warehouse and control database of the settings; opened in the run, on first use.")
    def platform(_context: dg.InitResourceContext) -> Iterator[wiring.Platform]:
        failure: dg.Failure | None = None
        try:
            opened = open_for_runs(settings, catalog)
        except Exception as error:  # noqa: BLE001  a driver's text may hold the connection string
            failure = as_failure(error, "platform", settings)
        if failure is not None:
            raise failure from None
        try:
            yield opened
        finally:
            opened.close()

    return platform


def default_resources(settings: Settings, catalog: Mapping[str, TableSpec]) -> dict[str, object]:
    return {"platform": platform_resource(settings, catalog), "load_options": RunOptions()}


def duckdb_resource(settings: Settings) -> object:
    """dagster-duckdb's resource on our file. Its connection is not closed when the body raises: close it yourself (marts do)."""
    from dagster_duckdb import DuckDBResource  # 0.2 s: only where a mart exists

    return DuckDBResource(database=str(settings.warehouse_path), connection_config={"storage_compatibility_version": STORAGE_VERSION})
