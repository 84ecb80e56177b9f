"""A throw-away PostgreSQL with the twin's schemas and the demo ERP; no proxy, the data is what these tests look at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from cbm_etl_assets.twin import postgres, store
from cbm_etl_assets.twin.erp.load import load_erp

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
def loaded(server: str) -> str:
    """Loaded once; the tests work in transactions of their own or on tables they restore."""
    with psycopg.connect(server) as conn:
        store.bootstrap(conn, "Europe/Paris")
        load_erp(conn, today=TODAY)
    return server


@pytest.fixture
def erp(loaded: str) -> Iterator[Connection[Any]]:
    with psycopg.connect(loaded, autocommit=True) as conn:
        yield conn
