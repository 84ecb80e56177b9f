"""The twin for integration tests: `twin` (one server for the whole session) and `clean_twin` (the same, without tables or faults).

Use `twin.odbc` (OpenEdge behaviour), `twin.plain_odbc` (plain PostgreSQL), `twin.pg()` (psycopg, autocommit),
`twin.set_fault(kind, table, ...)`, `twin.clear_faults()`, `twin.statements()`; tables by
`cbm_etl_assets.twin.store.create_table(conn, table)` and `copy_rows(conn, table, frame)`.
The server ends with this process even when it is killed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cbm_etl_assets.twin.handle import TwinHandle

LOCK_WAIT_SECONDS = 0.3  # OpenEdge waits 5 s


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinHandle]:
    from cbm_etl_assets.twin import server  # here, so that unit tests do not pay for psycopg

    home = tmp_path_factory.mktemp("twin_home")
    handle = server.start(home, lock_wait_seconds=LOCK_WAIT_SECONDS, owned=True)
    try:
        yield handle
    finally:
        server.destroy(home)


@pytest.fixture
def clean_twin(twin: TwinHandle) -> Iterator[TwinHandle]:
    """The session's twin with no fault in force; tables and faults of the test are removed after it."""
    twin.clear_faults()
    try:
        yield twin
    finally:
        twin.clear_faults()
        drop_all(twin)


def drop_all(twin: TwinHandle) -> None:
    from cbm_etl_assets.twin import store

    with twin.pg() as conn:
        for (name,) in conn.execute("SELECT name FROM cbm_twin.tables").fetchall():
            store.drop_table(conn, name)
