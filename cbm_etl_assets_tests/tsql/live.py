"""The SQL Server warehouse in tests: the server of CBM_TEST_SQLSERVER, emptied, else our statements on the engine of `engine.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from cbm_etl_assets.warehouse.dialects import sqlserver, sqlserver_connect
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Connector
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import make_statements
from cbm_etl_assets_tests.tsql import scriptdom
from cbm_etl_assets_tests.tsql.engine import Engine
from cbm_etl_assets_tests.tsql.scriptdom import ScriptDom

VARIABLE = "CBM_TEST_SQLSERVER"
_TABLES = """
SELECT QUOTENAME(s.name) + N'.' + QUOTENAME(t.name) FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
WHERE s.name IN (N'ods', N'stg', N'marts')
"""


@pytest.fixture(scope="session")
def tsql_parser() -> Iterator[ScriptDom]:
    if not scriptdom.PYTHON.exists():
        pytest.skip(scriptdom.MISSING)
    with scriptdom.running() as child:
        yield child


def connection_string(request: pytest.FixtureRequest) -> str:
    """What to put into CBM_WAREHOUSE__CONNECTION_STRING for this test."""
    if given := os.environ.get(VARIABLE, ""):
        empty(given)
        return given
    engine = Engine(request.getfixturevalue("tsql_parser"))
    patch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    patch.setattr(sqlserver_connect, "_open", lambda *_: engine())
    patch.setattr(sqlserver, "choose_sender", lambda *_: engine.bulk)
    request.addfinalizer(engine.database.close)
    return "Driver=emulated;Server=emulated"  # a driver is named, so that none is looked for


def empty(given: str) -> None:
    """Every table of the schemas we write to is dropped: the database is a test's own, as CONTRIBUTING says."""
    with Connector(given, make_statements()).session() as session:
        for (name,) in session.rows(_TABLES):
            session.run(f"DROP TABLE {name}")
