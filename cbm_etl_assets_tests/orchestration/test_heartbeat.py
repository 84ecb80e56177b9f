"""The daemon's heartbeat as its storage shows it, without starting or creating anything."""

import datetime as dt

from dagster._daemon.types import DaemonHeartbeat

from cbm_etl_assets.orchestration.heartbeat import read_heartbeat
from cbm_etl_assets.orchestration.home import open_instance
from cbm_etl_assets.settings import Settings

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)


def test_never_started(settings: Settings) -> None:
    assert read_heartbeat(settings).at is None
    assert not (settings.home / "dagster").exists()
    with open_instance(settings):
        pass
    assert read_heartbeat(settings).at is None


def test_the_older_of_scheduler_and_sensors_counts(settings: Settings) -> None:
    beats = {"SCHEDULER": 60, "SENSOR": 5, "BACKFILL": 9999}
    with open_instance(settings) as instance:
        for kind, seconds in beats.items():
            instance.add_daemon_heartbeat(DaemonHeartbeat((NOW - dt.timedelta(seconds=seconds)).timestamp(), kind, "id", []))
    assert read_heartbeat(settings).at == NOW - dt.timedelta(seconds=60)


def test_a_damaged_storage_is_said_not_raised(settings: Settings) -> None:
    with open_instance(settings):
        pass
    [runs] = (settings.home / "dagster" / "history").glob("runs.db")
    runs.write_bytes(b"no database" * 1000)
    assert read_heartbeat(settings).error == "DatabaseError"
