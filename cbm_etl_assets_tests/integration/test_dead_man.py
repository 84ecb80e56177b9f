"""`cbm-etl health --alert` with nothing else running: told once, not again, and once more when it is over; nightly simulations."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.pipeline.health import Health, Heartbeat, examine
from cbm_etl_assets.pipeline.health_alert import tell
from cbm_etl_assets.settings import ObservabilitySettings, Settings
from cbm_etl_assets_tests.alert_fixture import WebhookServer, alerts, table, webhook

pytestmark = pytest.mark.integration
NOW = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
CATALOG = {"client": table("client", schedule={"cron": "0 2 * * *"})}


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with webhook() as made:
        yield made


def test_the_daemon_dies_and_comes_back(server: WebhookServer, tmp_path: Path) -> None:
    observed = ObservabilitySettings(min_free_percent=0)
    settings = Settings(home=tmp_path, observability=observed, alerts=alerts(server.url))
    clock = [NOW]
    control = ControlStore(settings, lambda: clock[0])

    def look(beat: dt.timedelta) -> Health:
        """As a process of its own would."""
        fresh = ControlStore(settings, lambda: clock[0])
        try:
            found = examine(fresh, CATALOG, settings, clock[0], lambda: Heartbeat(clock[0] - beat))
            assert tell(fresh, CATALOG, settings, lambda: clock[0], found) == ""
            return found
        finally:
            fresh.close()

    look(MINUTE)
    before = len(server.bodies)
    for _ in range(4):
        clock[0] += 15 * MINUTE
        look(60 * MINUTE)
    told = [json.dumps(body, ensure_ascii=False) for body in server.bodies[before:]]
    assert sum("daemon" in text for text in told) == 1
    clock[0] += 15 * MINUTE
    look(MINUTE)
    rows = control.query("SELECT EventName FROM etl.Alert_Log WHERE AlertKey = 'health:daemon' ORDER BY AlertLogId")
    assert [row["EventName"] for row in rows] == ["opened", "recovered"]
    control.close()
