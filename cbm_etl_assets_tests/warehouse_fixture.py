"""Settings of a fresh, empty warehouse of any kind: a file, a database of its own on one PostgreSQL started once a session,
the SQL Server of CBM_TEST_SQLSERVER or what stands in for it (tsql/live.py).

`warehouse_of(kind, request, home)` for tests parametrised over `registry.names()`; `postgres_database` for those of PostgreSQL.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.settings import WarehouseSettings
from cbm_etl_assets_tests.control_fixture import control_postgres
from cbm_etl_assets_tests.tsql import live

__all__ = ["control_postgres", "postgres_database", "warehouse_of"]


@pytest.fixture
def postgres_database(control_postgres: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    import psycopg

    server = control_postgres.replace("+psycopg", "")
    name = f"w{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    try:
        yield server.rsplit("/", 1)[0] + f"/{name}"
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


def warehouse_of(kind: str, request: pytest.FixtureRequest, home: Path, **fields: object) -> WarehouseSettings:
    """Skips a kind whose server is not here."""
    text = None
    if kind == "postgresql":
        text = SecretStr(request.getfixturevalue("postgres_database"))
    elif kind == "sqlserver":
        text = SecretStr(live.connection_string(request))
    return WarehouseSettings.model_validate({"kind": kind, "connection_string": text, "path": home / "warehouse.duckdb"} | fields)
