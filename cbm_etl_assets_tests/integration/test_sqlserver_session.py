"""The session of the SQL Server dialect on a real pyodbc and a real ODBC driver: psqlODBC's, on statements both servers know."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlsplit

import pyodbc
import pytest

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.source.driver import find_driver, load_odbc_manager
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Session
from cbm_etl_assets.warehouse.dialects.sqlserver_read import arrow_batch, arrow_schema
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database

__all__ = ["control_postgres", "postgres_database"]


@pytest.fixture
def session(postgres_database: str) -> Iterator[Session]:
    load_odbc_manager()
    url = urlsplit(postgres_database)
    text = f"DRIVER={{{find_driver('psqlodbc')}}};SERVER={url.hostname};PORT={url.port};DATABASE={url.path[1:]};UID={url.username}"
    connection = pyodbc.connect(f"{text};PWD={url.password or ''};BoolsAsChar=0;MaxVarcharSize=4000", autocommit=True)
    yield Session(connection, "client")
    connection.close()


def test_every_result_set_is_read_and_values_keep_their_type(session: Session) -> None:
    results = session.run("SELECT 1 AS a; SELECT 2 AS b, 'x' AS c")
    assert [r.rows for r in results] == [[(1,)], [(2, "x")]]
    assert [c[0] for c in results[1].columns] == ["b", "c"]
    assert session.rows("SELECT CAST(? AS integer) + 1", [41]) == [(42,)]
    assert session.number("CREATE TABLE t (i integer)") == 0


def test_keys_go_in_as_arrays_of_a_declared_size(session: Session) -> None:
    session.run("CREATE TEMP TABLE gone (_key_hash bytea)")
    keys = [(bytes([i]) * 32,) for i in range(1, 200)]
    session.insert("INSERT INTO gone VALUES (?)", keys, [(-2, 32, 0)])
    assert [tuple(map(bytes, row)) for row in session.rows("SELECT _key_hash FROM gone ORDER BY 1")] == sorted(keys)
    session.insert("INSERT INTO gone VALUES (?)", [])
    assert session.number("SELECT count(*) FROM gone") == 199


def test_a_stream_tells_its_types_before_its_rows_and_leaves_the_connection_free(session: Session) -> None:
    sql = """
        SELECT i, CAST(i AS bigint) AS b, CAST(i AS numeric(15,2)) AS d, CAST('2026-01-01 01:02:03.000004' AS timestamp) AS t,
            CAST('x' AS varchar(9)) AS s
        FROM generate_series(1, 25) AS g (i)
        WHERE i > ?
    """
    parts = list(session.stream(sql, [0], 10))
    assert [len(part.rows) for part in parts] == [0, 10, 10, 5]
    schema = arrow_schema(parts[0].columns)
    assert [str(kind) for kind in schema.types] == ["int32", "int64", "decimal128(15, 2)", "timestamp[us]", "string"]
    batch = arrow_batch(schema, parts[1].rows)
    first = dt.datetime(2026, 1, 1, 1, 2, 3, 4)
    assert batch.to_pylist()[0] == {"i": 1, "b": 1, "d": Decimal("1.00"), "t": first, "s": "x"}
    early = session.stream(sql, [0], 10)
    next(early)
    early.close()
    assert session.number("SELECT 7") == 7


def test_a_refusal_of_the_server_is_one_of_ours(session: Session) -> None:
    with pytest.raises(WarehouseError, match=r"Table 'client': .*nope"):
        session.run("SELECT * FROM nope")
    with pytest.raises(WarehouseError):
        list(session.stream("SELECT 1 / (i - 1) FROM generate_series(1, 3) AS g (i)", [], 10))
    with pytest.raises(WarehouseError):
        session.insert("INSERT INTO nope VALUES (?)", [(1,)])
