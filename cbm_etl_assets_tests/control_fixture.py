"""One control store per kind of database, fresh for every test; PostgreSQL is started once a session, in a folder of its own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import MissingDependencyError
from cbm_etl_assets.settings import ControlSettings, Settings
from cbm_etl_assets.twin import postgres

START = dt.datetime(2026, 11, 21, 8, 0, tzinfo=dt.UTC)
_PASSWORD = "pw-of-a-test"
KINDS = ("sqlite", "postgresql")


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> dt.datetime:
        return self.at

    def forward(self, **delta: float) -> dt.datetime:
        self.at += dt.timedelta(**delta)
        return self.at


@dataclass
class ControlKit:
    """`open()` gives another store on the same database, as another process would have it."""

    kind: str
    settings: Settings
    clock: Clock
    open: Callable[[], ControlStore]
    store: ControlStore


@pytest.fixture(scope="session")
def control_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        cluster = postgres.locate(tmp_path_factory.mktemp("control-pg"))
    except MissingDependencyError as error:
        pytest.skip(f"no PostgreSQL server: {error.message}")
    postgres.initialise(cluster, _PASSWORD)
    port = postgres.start(cluster)
    try:
        yield f"postgresql+psycopg://{postgres.SUPERUSER}:{_PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        postgres.stop(cluster)
        postgres.destroy(cluster)


@pytest.fixture(params=KINDS)
def control(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ControlKit]:
    url = None
    if request.param == "postgresql":
        url = SecretStr(request.getfixturevalue("control_postgres"))
        _drop_schemas(url.get_secret_value())
    settings = Settings(home=tmp_path, control=ControlSettings(url=url))
    clock, stores = Clock(), list[ControlStore]()

    def open_store() -> ControlStore:
        stores.append(ControlStore(settings, clock))
        return stores[-1]

    try:
        yield ControlKit(request.param, settings, clock, open_store, open_store())
    finally:
        for store in stores:
            store.close()


def _drop_schemas(url: str) -> None:
    import psycopg

    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS etl CASCADE")
        connection.execute("DROP SCHEMA IF EXISTS config CASCADE")
