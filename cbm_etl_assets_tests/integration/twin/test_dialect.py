"""The statement matrix: what OpenEdge SQL takes and what it refuses, through psqlODBC."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyodbc
import pytest

from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.twin import tables

pytestmark = pytest.mark.integration

TAKEN: list[tuple[str, Any]] = [
    ("SELECT TOP 2 cod_cli FROM PUB.Client ORDER BY cod_cli", [(1,), (2,)]),
    ("SELECT DISTINCT TOP 1 cod_cli FROM PUB.client WHERE cod_cli > 3 ORDER BY 1", [(4,)]),
    ('SELECT "COD_CLI" FROM "pub"."CLIENT" WHERE "Cod_Cli" = 3', [(3,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE cod_cli < 3 ORDER BY cod_cli WITH (NOLOCK)", [(1,), (2,)]),
    ("SELECT c.cod_cli FROM PUB.Client WITH (NOLOCK) c WHERE C.COD_CLI = 2", [(2,)]),
    ("SELECT c.cod_cli FROM PUB.Client c WITH (NOLOCK) WHERE c.cod_cli = 2", [(2,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE cod_cli = 2 WITH (READPAST NOWAIT)", [(2,)]),
    ("SELECT cod_cli FROM PUB.Client ORDER BY cod_cli OFFSET 2 ROWS FETCH NEXT 2 ROWS ONLY", [(3,), (4,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE actif = 1 ORDER BY cod_cli", [(2,), (4,), (6,), (8,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE actif IS NULL ORDER BY cod_cli", [(5,), (10,)]),
    ("SELECT COUNT(*) FROM PUB.Client WHERE actif <> 1", [(4,)]),
    ("SELECT actif, COUNT(*) FROM PUB.Client GROUP BY actif ORDER BY 2, 1", [(None, 2), (False, 4), (True, 4)]),
    ("SELECT MAX(actif) FROM PUB.Client", [(1,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE \"date\" = {d '2024-01-03'}", [(3,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE dat_mod = {ts '2024-01-01 13:00:00.5'}", [(2,)]),
    ('SELECT "gencod-v" FROM PUB.Client WHERE cod_cli = 2', [("0000000000002",)]),
    ("SELECT px_vte FROM PUB.Client WHERE cod_cli = 1", [("123.45;0.00;?;-2.00;1.00",)]),
    ("SELECT PRO_ELEMENT(px_vte, 2, 3) FROM PUB.Client WHERE cod_cli = 1", [("0.00;?",)]),
    ("SELECT PRO_ARR_DESCAPE('a~;b~~c~?') FROM SYSPROGRESS.SYSCALCTABLE", [("a;b~c?",)]),
    ("SELECT IFNULL(\"gencod-v\", 'nul'), UCASE(Nom) FROM PUB.Client WHERE cod_cli = 3", [("nul", "NOM É 3")]),
    ("SELECT MIN(cod_cli), MAX(cod_cli), SUM(solde) FROM PUB.Client", [(1, 10, Decimal("13.7500"))]),
    ("SELECT a.cod_cli FROM PUB.Client a INNER JOIN PUB.Client b ON a.cod_cli = b.cod_cli WHERE b.nom LIKE 'Nom é 1' ", [(1,)]),
    ("SELECT x.\"n\" FROM (SELECT cod_cli AS n, Nom FROM PUB.Client) x WHERE X.nom = 'Nom é 4'", [(4,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE cod_cli IN (SELECT MAX(c2.cod_cli) FROM PUB.Client c2)", [(10,)]),
    ("SELECT cod_cli FROM PUB.Client a WHERE EXISTS (SELECT fld FROM SYSPROGRESS.SYSCALCTABLE WHERE a.cod_cli = 7)", [(7,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE cod_cli = 1 UNION SELECT cod_cli FROM PUB.Client WHERE cod_cli = 2 ORDER BY 1", [(1,), (2,)]),
    ("SELECT cod_cli FROM PUB.Client WHERE cod_cli < 3 MINUS SELECT cod_cli FROM PUB.Client WHERE cod_cli = 2", [(1,)]),
    ("SELECT PUB.Client.cod_cli, Client.Nom FROM PUB.Client WHERE PUB.client.COD_CLI = 1", [(1, "Nom é 1")]),
    ("SELECT cod_cli AS \"Numéro\" FROM PUB.Client WHERE cod_cli < 3 ORDER BY \"Numéro\" DESC", [(2,), (1,)]),
    ("SELECT CASE WHEN actif = 1 THEN 'oui' ELSE 'non' END etat FROM PUB.Client WHERE cod_cli = 2 ORDER BY etat", [("oui",)]),
    ("SELECT YEAR(dat_mod), LENGTH(Nom) FROM PUB.Client WHERE cod_cli = 1", [(2024, 7)]),
    ("SELECT photo, notes, uniq FROM PUB.Client WHERE cod_cli = 2", [(b"\0\xff\2", "x" * 50, 8999999999999999998)]),
    ("SELECT vu_le FROM PUB.Client WHERE cod_cli = 1", [("2024-03-31 00:30:00+00",)]),
]  # fmt: skip

REFUSED: list[tuple[str, str, str]] = [
    ("SELECT cod_cli FROM PUB.Client LIMIT 5", "42000", "LIMIT 5"),
    ("SELECT 1", "42000", "Syntax error"),
    ("SELECT cod_cli FROM PUB.Client WHERE actif = TRUE", "42000", "TRUE"),
    ("SELECT cod_cli FROM PUB.Client WHERE actif", "42000", "integer"),
    ('SELECT "inconnue" FROM PUB.Client', "42S22", "INCONNUE"),
    ("SELECT inconnue FROM PUB.Client", "42S22", "INCONNUE"),
    ("SELECT gencod-v FROM PUB.Client", "42S22", "GENCOD"),
    ("SELECT c.inconnue FROM PUB.Client c", "42S22", "INCONNUE"),
    ("SELECT cod_cli FROM PUB.inconnue", "42S02", "PUB.INCONNUE"),
    ("SELECT cod_cli FROM Client", "42S02", "CLIENT"),
    ("SELECT cod_cli FROM AUTRE.Client", "42S02", "AUTRE.CLIENT"),
    ("INSERT INTO PUB.Client (cod_cli) VALUES (99)", "42000", "Access denied"),
    ("UPDATE PUB.Client SET Nom = 'x'", "42000", "Access denied"),
    ("DELETE FROM PUB.Client", "42000", "Access denied"),
    ("TRUNCATE TABLE PUB.Client", "42000", "Access denied"),
    ("CREATE TABLE PUB.x (a INT)", "42000", "Access denied"),
    ("DROP TABLE PUB.Client", "42000", "Access denied"),
    ("WITH x AS (SELECT cod_cli FROM PUB.Client) SELECT * FROM x", "42000", "Syntax error"),
    ("SELECT * FROM (SELECT TOP 2 cod_cli FROM PUB.Client) x", "42000", "TOP 2"),
    ("SELECT TOP 2 cod_cli FROM PUB.Client UNION SELECT cod_cli FROM PUB.Client", "42000", "TOP 2"),
    ("SELECT nom::text FROM PUB.Client", "42000", "::"),
    ("SELECT cod_cli FROM PUB.Client WHERE Nom ILIKE 'n%'", "42000", "ILIKE"),
    ("SELECT cod_cli FROM PUB.Client WHERE", "42000", "Syntax error"),
    ("SELECT (cod_cli FROM PUB.Client", "42000", "Syntax error"),
    ("SELECT GETDATE() FROM SYSPROGRESS.SYSCALCTABLE", "42000", "getdate"),
]  # fmt: skip


@pytest.fixture(scope="module")
def loaded(twin: TwinHandle) -> Iterator[TwinHandle]:
    tables.load(twin, 10)
    yield twin
    with twin.pg() as conn:
        tables.store.drop_table(conn, "Client")


@pytest.fixture(scope="module", params=["", ";UseServerSidePrepare=0", ";UseDeclareFetch=0"], ids=["default", "no-prepare", "no-declare"])
def connection(request: pytest.FixtureRequest, loaded: TwinHandle) -> Iterator[pyodbc.Connection]:
    conn = pyodbc.connect(loaded.odbc + request.param, autocommit=True)
    yield conn
    conn.close()


@pytest.mark.parametrize(("sql", "expected"), TAKEN, ids=[s for s, _ in TAKEN])
def test_taken(connection: pyodbc.Connection, sql: str, expected: Any) -> None:
    assert [tuple(r) for r in connection.execute(sql).fetchall()] == expected


@pytest.mark.parametrize(("sql", "state", "said"), REFUSED, ids=[s for s, _, _ in REFUSED])
def test_refused(connection: pyodbc.Connection, sql: str, state: str, said: str) -> None:
    with pytest.raises(pyodbc.Error) as caught:
        connection.execute(sql).fetchall()
    assert caught.value.args[0] == state
    assert said in caught.value.args[1]
    assert "[OpenEdge]" in caught.value.args[1]
    assert connection.execute("SELECT COUNT(*) FROM PUB.Client").fetchval() == 10  # the connection has survived


@pytest.mark.parametrize(
    ("predicate", "value", "expected"),
    [
        ("cod_cli = ?", 3, 3), ("Nom = ?", "Nom é 4", 4), ("dat_mod = ?", dt.datetime(2024, 1, 1, 13, 0, 0, 500_000), 2),
        ('"date" = ?', dt.date(2024, 1, 3), 3), ("solde = ?", Decimal("1.25"), 5), ("actif = ? AND cod_cli = 2", True, 2),
        ("uniq = ?", 8_999_999_999_999_999_994, 6),
    ],
)  # fmt: skip
def test_bound_parameters(connection: pyodbc.Connection, predicate: str, value: object, expected: int) -> None:
    found = connection.execute(f"SELECT cod_cli FROM PUB.Client WHERE {predicate} WITH (NOLOCK)", value).fetchall()
    assert [tuple(r) for r in found] == [(expected,)]


def test_rowid_finds_the_row_again(connection: pyodbc.Connection) -> None:
    row = connection.execute("SELECT ROWID, cod_cli FROM PUB.Client WHERE cod_cli = 6").fetchone()
    assert row is not None
    assert connection.execute("SELECT cod_cli FROM PUB.Client c WHERE c.ROWID = ?", row[0]).fetchval() == 6


@pytest.mark.parametrize("clock", ["SYSTIMESTAMP", "NOW()", "CURRENT_TIMESTAMP", "SYSDATE", "CURDATE()", "SYSTIME", "CURTIME()"])
def test_clock_is_the_sources_wall_clock(connection: pyodbc.Connection, clock: str) -> None:
    row = connection.execute(f"SELECT {clock} FROM SYSPROGRESS.SYSCALCTABLE").fetchone()
    assert row is not None
    import zoneinfo

    here = dt.datetime.now(zoneinfo.ZoneInfo("Europe/Paris")).replace(tzinfo=None)
    seen = row[0]
    if isinstance(seen, dt.time):
        seen = dt.datetime.combine(here.date(), seen)
    elif not isinstance(seen, dt.datetime):
        assert abs((seen - here.date()).days) <= 1
        return
    assert abs((seen - here).total_seconds()) % 86_400 < 60


def test_set_schema_makes_bare_names_known(loaded: TwinHandle) -> None:
    with pyodbc.connect(loaded.odbc, autocommit=True) as conn:
        conn.execute("SET SCHEMA 'PUB'")
        assert conn.execute("SELECT COUNT(*) FROM Client").fetchval() == 10


def test_described_widths_are_sql_widths(connection: pyodbc.Connection) -> None:
    cursor = connection.execute('SELECT Nom, "gencod-v", px_vte, vu_le, UCASE(Nom) FROM PUB.Client WHERE cod_cli = 1')
    assert [d[4] for d in cursor.description] == [20, 13, 95, 32, 2000]


def test_union_keeps_widths(connection: pyodbc.Connection) -> None:
    cursor = connection.execute("SELECT Nom FROM PUB.Client UNION ALL SELECT Nom FROM PUB.Client")
    assert cursor.description[0][4] == 20


def test_statement_log_says_what_was_sent_and_holds_no_password(loaded: TwinHandle) -> None:
    with pyodbc.connect(loaded.odbc, autocommit=True) as conn:
        conn.execute("SELECT TOP 1 cod_cli FROM PUB.Client WITH (NOLOCK)").fetchall()
    entry = loaded.statements(lambda e: "TOP 1 cod_cli" in e["sql"])[-1]
    assert entry["nolock"] is True
    assert entry["isolation0"] is False
    assert loaded.secret not in loaded.log.read_text(encoding="utf-8")
