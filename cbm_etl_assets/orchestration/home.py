"""DAGSTER_HOME: where Dagster keeps runs and events, CBM_HOME/dagster, with our dagster.yaml in it.

dagster.yaml counts only there: without it telemetry is on, a sign-up dialog covers the UI and pools have no limit.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from cbm_etl_assets.orchestration.internals import kept_connections
from cbm_etl_assets.settings import Settings

TEMPLATE = Path(__file__).with_name("dagster.yaml")


def prepare_home(settings: Settings) -> Path:
    """Create the folder and its dagster.yaml when absent; a file somebody edited stays as it is."""
    home = (settings.home / "dagster").absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / TEMPLATE.name).exists():
        shutil.copyfile(TEMPLATE, home / TEMPLATE.name)
    return home


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The persistent instance of CBM_HOME, without the environment's DAGSTER_HOME."""
    with dg.DagsterInstance.from_config(str(prepare_home(settings))) as instance, kept_connections(instance):
        yield instance
