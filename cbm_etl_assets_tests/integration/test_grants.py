"""The grant scripts a DBA runs: those of PostgreSQL on a real server, twice, and what their logins may then do."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors, sql

from cbm_etl_assets.warehouse.sql import sql_root
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database

__all__ = ["control_postgres", "postgres_database"]
FOLDER = sql_root() / "postgresql" / "grants"


def run(connection: psycopg.Connection, name: str) -> None:
    connection.execute((FOLDER / name).read_text(encoding="utf-8"))  # type: ignore[arg-type]


def become(connection: psycopg.Connection, role: str) -> None:
    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def test_each_login_may_do_its_work_and_no_more(postgres_database: str) -> None:
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA pub")
        connection.execute("CREATE TABLE pub.client (i integer)")
        for _ in range(2):
            for name in ("warehouse_login.sql", "report_login.sql", "source_login.sql"):
                run(connection, name)
        become(connection, "cbm_etl")
        connection.execute("CREATE TABLE ods.client (i integer)")
        connection.execute("CREATE UNLOGGED TABLE stg.client__1 (i integer)")
        connection.execute("DROP TABLE stg.client__1")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM pub.client")
        become(connection, "cbm_report")
        connection.execute("SELECT * FROM ods.client")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("INSERT INTO ods.client VALUES (1)")
        become(connection, "cbm_source")
        connection.execute("SELECT * FROM pub.client")
        for statement in ("DELETE FROM pub.client", "SELECT * FROM ods.client"):
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[call-overload]
        connection.execute("RESET ROLE")
        connection.execute("DROP SCHEMA stg, ods, marts, pub CASCADE")
        for role in ("cbm_etl", "cbm_report", "cbm_source"):
            for template in ("DROP OWNED BY {}", "DROP ROLE {}"):
                connection.execute(sql.SQL(template).format(sql.Identifier(role)))
