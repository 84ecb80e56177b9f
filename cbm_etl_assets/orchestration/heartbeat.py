"""When Dagster's daemon last gave a sign of life, read from its storage. Starts nothing and creates nothing."""

import datetime as dt
import sqlite3

import sqlalchemy.exc
from dagster import DagsterError, DagsterInstance

from cbm_etl_assets.orchestration.home import TEMPLATE
from cbm_etl_assets.pipeline.health import Heartbeat
from cbm_etl_assets.settings import Settings

# Those every daemon runs; of the others a heartbeat may be left from an older configuration.
WATCHED = ("SCHEDULER", "SENSOR")


def read_heartbeat(settings: Settings) -> Heartbeat:
    """The older of the scheduler's and the sensors' last heartbeats: one may hang while the other goes on."""
    home = settings.home / "dagster"
    if not (home / TEMPLATE.name).exists():
        return Heartbeat()
    try:
        with DagsterInstance.from_config(str(home)) as instance:
            beats = instance.get_daemon_heartbeats()
    except (DagsterError, sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, OSError) as error:
        return Heartbeat(error=type(error).__name__)  # its text may hold a storage URL
    stamps = [beat.timestamp for kind, beat in beats.items() if kind in WATCHED]
    return Heartbeat(dt.datetime.fromtimestamp(min(stamps), dt.UTC) if stamps else None)
