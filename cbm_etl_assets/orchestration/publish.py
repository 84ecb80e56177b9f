"""Runs that Dagster launched are published when they end, as those of the CLI are: spans and metrics, where configured.

A sensor and not the run: dagster-otel fails the asset when its tag cannot be written; this cannot slow or fail a load. A run
that both the CLI and a daemon see is sent twice under the same ids, which is one trace.
"""

from collections.abc import Mapping

import dagster as dg

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.aftermath import is_wanted, publish
from cbm_etl_assets.settings import Settings


def publish_sensors(catalog: Mapping[str, TableSpec], settings: Settings) -> list[dg.SensorDefinition]:
    """None where nothing is configured."""
    if not is_wanted(settings):
        return []
    return [_sensor(catalog, settings, status) for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)]


def _sensor(catalog: Mapping[str, TableSpec], settings: Settings, status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status, name=f"publish_{status.value.lower()}", default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends a finished run to the OTLP collector and rewrites the metrics file.",
    )  # fmt: skip
    def finished(context: dg.RunStatusSensorContext) -> dg.SkipReason:
        control = ControlStore(settings)
        try:
            said = publish(control, catalog, settings, [context.dagster_run.run_id])
        finally:
            control.close()
        return dg.SkipReason("; ".join(said) or "Published.")

    return finished
