"""SYSPROGRESS, the schema tables of PUB and ODBC's own catalogue functions, through the proxy."""

from __future__ import annotations

from collections.abc import Iterator

import pyodbc
import pytest

from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.twin import tables

pytestmark = pytest.mark.integration

PRIMARY = """
SELECT i."_Index-Name", i."_Unique", x."_Index-Seq", f."_Field-Name", f."_Mandatory"
FROM PUB."_File" t, PUB."_Index" i, PUB."_Index-Field" x, PUB."_Field" f
WHERE i."_File-recid" = t.rowid AND x."_Index-recid" = i.ROWID AND x."_Field-recid" = f.rowid AND t."_Prime-Index" = i.rowid
AND t."_Owner" = ? AND t."_File-Name" = ? ORDER BY i."_Index-Name", x."_Index-Seq"
"""


@pytest.fixture(scope="module")
def connection(twin: TwinHandle) -> Iterator[pyodbc.Connection]:
    tables.load(twin, 3)
    conn = pyodbc.connect(twin.odbc, autocommit=True)
    yield conn
    conn.close()
    with twin.pg() as pg:
        tables.store.drop_table(pg, "Client")


def test_systables(connection: pyodbc.Connection) -> None:
    found = connection.execute("SELECT tbl FROM SYSPROGRESS.SYSTABLES WHERE owner = ? AND tbltype = 'T' ORDER BY tbl", "PUB").fetchall()
    assert [r[0] for r in found] == ["Client"]


def test_syscolumns_full(connection: pyodbc.Connection) -> None:
    query = "SELECT col, coltype, width, scale, nullflag, array_extent, label FROM sysprogress.SYSCOLUMNS_FULL WHERE TBL = ? ORDER BY id"
    found = {r[0]: tuple(r[1:]) for r in connection.execute(query, "Client").fetchall()}
    assert found["cod_cli"] == ("integer", 4, 0, "N", 0, "Cod_Cli")
    assert found["Nom"] == ("varchar", 20, 0, "Y", 0, "Nom")
    assert found["px_vte"] == ("varchar", 95, 2, "Y", 5, "Px_Vte")
    assert found["solde"] == ("numeric", 12, 2, "Y", 0, "Solde")
    assert found["vu_le"][0] == "timestamp_tz"
    assert found["photo"][0] == "lvarbinary"


def test_sysindexes_has_no_unique_flag(connection: pyodbc.Connection) -> None:
    cursor = connection.execute("SELECT * FROM SYSPROGRESS.SYSINDEXES WHERE tbl = 'Client'")
    names = [d[0] for d in cursor.description]
    assert {"idxname", "idxseq", "colname", "abbreviate", "active", "tblowner"} <= set(names)
    assert not {"unique", "idxtype"} & set(names)


def test_primary_index_is_found_and_is_not_unique(connection: pyodbc.Connection) -> None:
    found = [tuple(r) for r in connection.execute(PRIMARY, "PUB", "Client").fetchall()]
    assert found == [("par-nom", False, 1, "Nom", False)]


def test_logicals_of_the_schema_tables_compare_as_bits(connection: pyodbc.Connection) -> None:
    assert connection.execute('SELECT "_Index-Name" FROM PUB."_Index" WHERE "_Unique" = 1').fetchval() == "pk-cli"


@pytest.mark.parametrize(
    "where",
    ["\"_File-Name\" = 'CLIENT'", "'client' = t.\"_file-name\"", "\"_File-Name\" LIKE 'cli%'", "t.\"_File-Name\" IN ('x', 'CliEnt')"],
)
def test_names_in_the_catalogue_compare_without_case(connection: pyodbc.Connection, where: str) -> None:
    assert connection.execute(f'SELECT "_File-Name" FROM PUB."_File" t WHERE {where}').fetchval() == "Client"
    assert connection.execute(f'SELECT "_File-Name" FROM PUB."_File" t WHERE "_Owner" = ? AND {where}', "pub").fetchval() == "Client"


def test_odbc_catalogue_functions(connection: pyodbc.Connection) -> None:
    cursor = connection.cursor()
    assert [r.table_name for r in cursor.tables(schema="PUB", table="Client")] == ["Client"]
    assert [r.column_name for r in cursor.columns(schema="PUB", table="Client")][:3] == ["cod_cli", "Nom", "gencod-v"]


def test_a_replaced_table_is_seen_at_once(twin: TwinHandle, connection: pyodbc.Connection) -> None:
    tables.load(twin, 5)
    assert connection.execute("SELECT COUNT(*) FROM PUB.Client").fetchval() == 5


def test_a_column_added_behind_the_catalogue_is_seen(twin: TwinHandle, connection: pyodbc.Connection) -> None:
    with twin.pg() as pg:
        pg.execute('ALTER TABLE pub."Client" ADD COLUMN "Extra-col" integer DEFAULT 4')
    assert connection.execute('SELECT "EXTRA-COL" FROM PUB.Client WHERE cod_cli = 1').fetchval() == 4
