"""A throw-away PostgreSQL with the twin's schemas; no proxy, the data is what these tests look at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from cbm_etl_assets.twin import postgres, store

TODAY = dt.date(2026, 3, 31)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home: Path = tmp_path_factory.mktemp("erp")
    cluster = postgres.locate(home)
    postgres.initialise(cluster, "essai")
    port = postgres.start(cluster)
    try:
        yield f"host=127.0.0.1 port={port} user={postgres.SUPERUSER} password=essai dbname=postgres"
    finally:
        postgres.stop(cluster)
        postgres.destroy(cluster)


@pytest.fixture(scope="session")
def prepared(server: str) -> str:
    """With the twin's schemas; each test loads the table it looks at."""
    with psycopg.connect(server) as conn:
        store.bootstrap(conn, "Europe/Paris")
    return server


@pytest.fixture
def erp(prepared: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(prepared, autocommit=True) as conn:
        yield conn
