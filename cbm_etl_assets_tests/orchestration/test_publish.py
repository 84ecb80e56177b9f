"""The sensors that publish finished runs: only where something is configured, and never the reason a run fails."""

from pathlib import Path
from typing import Any, cast

import dagster as dg

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.orchestration.publish import publish_sensors
from cbm_etl_assets.settings import ObservabilitySettings, Settings
from cbm_etl_assets_tests.orchestration.helpers import FakePlatform, catalog, settings_in, spec


def test_nothing_configured_means_no_sensor(settings: Settings) -> None:
    assert publish_sensors({}, settings) == []


def test_a_finished_run_rewrites_the_metrics_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.prom"
    settings = settings_in(tmp_path, observability=ObservabilitySettings(metrics_file=path))
    ControlStore(settings).upgrade()
    tables = catalog(spec("client"))
    defs = build_defs(tables, settings, resources={"platform": cast("Any", FakePlatform(settings))})
    sensor = next(s for s in defs.sensors or [] if s.name == "publish_success")
    assert cast("Any", sensor).default_status is dg.DefaultSensorStatus.RUNNING

    @dg.job
    def finished() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        result = finished.execute_in_process(instance=instance)
        event = next(e for e in result.all_events if e.event_type is dg.DagsterEventType.RUN_SUCCESS)
        context = dg.build_run_status_sensor_context(sensor.name, event, instance, result.dagster_run)
        skipped = cast("Any", sensor)(context)
    assert skipped.skip_message == "Published."
    assert 'cbm_loads_24h{status="failed",table="client"} 0.0' in path.read_text()
