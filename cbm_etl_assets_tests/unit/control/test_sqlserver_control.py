"""The control database on SQL Server, as far as it goes without one: names, driver, which errors are worth another try."""

from __future__ import annotations

import re

import pyodbc
import pytest
from sqlalchemy.exc import DBAPIError

from cbm_etl_assets.control.alchemy import AlchemyDatabase, _completed, _is_transient
from cbm_etl_assets.control.script import ddl_script
from cbm_etl_assets.control.sql import migrations, own_objects, script, spellings
from cbm_etl_assets.errors import ControlError

DRIVER = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"


def failure(state: str, text: str, number: int) -> DBAPIError:
    return DBAPIError("SELECT 1", None, pyodbc.Error(state, f"[{state}] {DRIVER}{text} ({number}) (SQLExecDirectW)"))


@pytest.mark.parametrize(("state", "text", "number"), [
    ("40001", "Transaction (Process ID 61) was deadlocked", 1205),
    ("42000", "Lock request time out period exceeded.", 1222),
    ("42000", "Snapshot isolation transaction aborted", 3960),
    ("23000", "Violation of PRIMARY KEY constraint", 2627),
    ("08S01", "TCP Provider: Error code 0x2746", 10054),
    ("HYT00", "Login timeout expired", 0),
    ("42000", "Database 'x' on server 'y' is not currently available.", 40613),
])  # fmt: skip
def test_what_a_new_attempt_can_mend_is_transient(state: str, text: str, number: int) -> None:
    assert _is_transient(failure(state, text, number))


@pytest.mark.parametrize(("state", "text", "number"), [
    ("42S02", "Invalid object name 'etl.ETL_Log'.", 208),
    ("28000", "Login failed for user 'x'.", 18456),
    ("42000", "The INSERT permission was denied on the object 'ETL_Log'", 229),
    ("23000", "Cannot insert the value NULL into column 'RunId'", 515),
])  # fmt: skip
def test_what_it_cannot_is_final(state: str, text: str, number: int) -> None:
    assert not _is_transient(failure(state, text, number))


def test_a_url_without_a_driver_gets_microsofts_current_one() -> None:
    assert _completed("mssql+pyodbc://u:p@h/d").query["driver"] == "ODBC Driver 18 for SQL Server"
    assert _completed("mssql+pyodbc://u:p@h/d?driver=FreeTDS").query["driver"] == "FreeTDS"
    assert "driver" not in _completed("mssql+pyodbc:///?odbc_connect=DRIVER%3D%7Bx%7D").query
    assert "driver" not in _completed("postgresql+psycopg://u:p@h/d").query


def test_a_write_is_refused_before_it_is_sent() -> None:
    database = AlchemyDatabase("mssql+pyodbc://u:p@127.0.0.1:1/d")
    assert database.dialect == "sqlserver"
    with pytest.raises(ControlError, match="only SELECT"):
        database.read("DELETE FROM etl.ETL_Log")


def test_sql_server_has_every_migration_object_and_column_of_the_others() -> None:
    assert migrations("sqlserver") == migrations("postgresql")
    assert own_objects("sqlserver") == own_objects("postgresql")
    assert spellings("postgresql").items() <= spellings("sqlserver").items()


def test_a_batch_of_the_script_holds_one_view_and_nothing_else() -> None:
    batches = ddl_script("sqlserver").split("\nGO\n")
    views = [batch for batch in batches if re.search(r"^CREATE VIEW", batch, re.MULTILINE)]
    assert len(views) >= 4
    assert all(batch.lstrip().startswith("CREATE VIEW") for batch in views)


def test_no_statement_of_sql_server_uses_another_databases_words() -> None:
    foreign = re.compile(r"\b(IF NOT EXISTS (?!\()|LIMIT|GREATEST|LEAST|BOOLEAN|TEXT|TIMESTAMP|NOW\(\)|CURRENT_DATE|INTERVAL|::(?!\w))\b")
    for _, _, stem in migrations("sqlserver"):
        for sql in script("sqlserver", stem):
            assert not foreign.search(sql), f"{stem}: {sql}"
