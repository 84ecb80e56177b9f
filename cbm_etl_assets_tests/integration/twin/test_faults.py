"""What goes wrong on a real link and a real database, as a driver sees it on the twin."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import arrow_odbc
import pyodbc
import pytest

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.twin.dirty import dirty_insert, dirty_update
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.twin import tables
from cbm_etl_assets_tests.twin_fixture import LOCK_WAIT_SECONDS

pytestmark = pytest.mark.integration
READ = "SELECT cod_cli, Nom FROM PUB.Client"
# psqlODBC with UseDeclareFetch=1 segfaults when the link is cut mid-fetch; without it the error is clean.
BUFFERED = ";UseDeclareFetch=0"


@pytest.fixture
def loaded(clean_twin: TwinHandle) -> TwinHandle:
    tables.load(clean_twin, 2500)
    return clean_twin


@pytest.fixture
def connection(loaded: TwinHandle) -> Iterator[pyodbc.Connection]:
    conn = pyodbc.connect(loaded.odbc, autocommit=True)
    yield conn
    conn.close()


def widen(twin: TwinHandle, cod_cli: int) -> None:
    with twin.pg() as conn:
        conn.execute('UPDATE pub."Client" SET "Nom" = repeat(%s, 21) WHERE cod_cli = %s', ("é", cod_cli))


@pytest.mark.parametrize(
    "select", [READ, "SELECT * FROM PUB.Client", "SELECT c.Nom AS x FROM PUB.Client c", "SELECT c.* FROM PUB.Client c"]
)
def test_width_error_when_the_row_is_reached(loaded: TwinHandle, connection: pyodbc.Connection, select: str) -> None:
    assert len(connection.execute(select).fetchall()) == 2500
    widen(loaded, 1200)
    cursor = connection.execute(f"{select} WHERE cod_cli <> 99999")
    with pytest.raises(pyodbc.DataError) as caught:
        cursor.fetchall()
    assert caught.value.args[0] == "22P00"
    assert "[OpenEdge] Column Nom in table PUB.Client has value exceeding its max length or precision." in caught.value.args[1]


def test_other_rows_and_columns_of_an_over_width_table_are_read(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    widen(loaded, 1200)
    assert len(connection.execute("SELECT cod_cli FROM PUB.Client").fetchall()) == 2500
    assert len(connection.execute(f"{READ} WHERE cod_cli <> 1200").fetchall()) == 2499
    assert connection.execute("SELECT cod_cli FROM PUB.Client WHERE LENGTH(Nom) > 20").fetchval() == 1200
    cursor = connection.execute(f"{READ} WHERE cod_cli <> 1200")
    assert [d[4] for d in cursor.description] == [10, 20]


def test_width_error_through_arrow_odbc_and_healing(loaded: TwinHandle) -> None:
    widen(loaded, 1200)
    with pytest.raises(arrow_odbc.Error, match="exceeding its max length"):
        list(arrow_odbc.read_arrow_batches_from_odbc(READ, connection_string=loaded.odbc, batch_size=500) or [])
    with loaded.pg() as conn:
        conn.execute('UPDATE pub."Client" SET "Nom" = %s WHERE cod_cli = 1200', ("court",))
    batches = arrow_odbc.read_arrow_batches_from_odbc(READ, connection_string=loaded.odbc, batch_size=500)
    assert batches is not None
    assert sum(b.num_rows for b in batches) == 2500


def test_a_text_exactly_as_long_as_its_width_is_delivered(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    with loaded.pg() as conn:
        conn.execute('UPDATE pub."Client" SET "Nom" = repeat(%s, 20) WHERE cod_cli = 7', ("é",))
    assert connection.execute("SELECT Nom FROM PUB.Client WHERE cod_cli = 7").fetchval() == "é" * 20


def test_a_held_record_lock_fails_the_read_unless_dirty(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    with loaded.pg(autocommit=False) as holder:
        holder.execute('UPDATE pub."Client" SET "Nom" = %s WHERE cod_cli = 2000', ("tenu",))
        with pytest.raises(pyodbc.Error) as caught:
            connection.execute(READ).fetchall()
        assert caught.value.args[0] == "HY000"
        assert "Failure getting record lock on a record from table PUB.client" in caught.value.args[1].replace("Client", "client")
        assert len(connection.execute(f"{READ} WHERE cod_cli <> 2000").fetchall()) == 2499
        assert len(connection.execute(f"{READ} WITH (NOLOCK)").fetchall()) == 2500
        assert len(connection.execute(f"{READ} WITH (READPAST NOWAIT)").fetchall()) == 2499
        with pytest.raises(pyodbc.Error, match="record lock"):
            connection.execute("SELECT COUNT(*) FROM PUB.Client").fetchall()
        with pyodbc.connect(loaded.odbc, autocommit=True) as dirty:
            dirty.set_attr(pyodbc.SQL_ATTR_TXN_ISOLATION, pyodbc.SQL_TXN_READ_UNCOMMITTED)
            assert len(dirty.execute(READ).fetchall()) == 2500
        holder.rollback()
    assert len(connection.execute(READ).fetchall()) == 2500


def test_a_lock_let_go_in_time_is_waited_for(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    with loaded.pg(autocommit=False) as holder:
        holder.execute('SELECT 1 FROM pub."Client" WHERE cod_cli = 2000 FOR UPDATE')
        timer = threading.Timer(LOCK_WAIT_SECONDS / 3, holder.rollback)
        timer.start()
        assert len(connection.execute(READ).fetchall()) == 2500
        timer.join()


@pytest.mark.parametrize("after_rows", [0, 1500])
def test_ordered_lock_error_strikes_once_and_spares_nolock(loaded: TwinHandle, connection: pyodbc.Connection, after_rows: int) -> None:
    loaded.set_fault("lock", "client", after_rows=after_rows, times=1)
    assert len(connection.execute(f"{READ} WITH (NOLOCK)").fetchall()) == 2500
    with pytest.raises(pyodbc.Error, match="Failure getting record lock"):
        connection.execute(READ).fetchall()
    assert len(connection.execute(READ).fetchall()) == 2500


@pytest.mark.parametrize("kind", ["cut", "fin"])
def test_a_cut_link_is_08s01_once(loaded: TwinHandle, kind: str) -> None:
    loaded.set_fault(kind, "Client", after_rows=1200)
    conn = pyodbc.connect(loaded.odbc + BUFFERED, autocommit=True)
    with pytest.raises(pyodbc.Error) as caught:
        conn.execute(READ).fetchall()
    assert caught.value.args[0] in ("08S01", "HY000")
    conn.close()
    with pyodbc.connect(loaded.odbc, autocommit=True) as again:
        assert len(again.execute(READ).fetchall()) == 2500


def test_a_cut_during_a_streamed_read_ends_the_reader(loaded: TwinHandle) -> None:
    loaded.set_fault("cut", "Client", after_rows=1200)
    code = f"import pyodbc, sys; c = pyodbc.connect(sys.argv[1], autocommit=True); print(len(c.execute('{READ}').fetchall()))"
    done = subprocess.run([sys.executable, "-c", code, loaded.odbc], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "2500" not in done.stdout


def test_a_fault_of_another_table_does_nothing(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    loaded.set_fault("cut", "fournis", after_rows=0)
    assert len(connection.execute(READ).fetchall()) == 2500


def test_a_stalled_link_delivers_no_more(loaded: TwinHandle) -> None:
    loaded.set_fault("stall", "Client", after_rows=1500)
    code = (
        f"import pyodbc, sys; c = pyodbc.connect(sys.argv[1], autocommit=True).execute('{READ}')\n"
        "print(len(c.fetchmany(900)), flush=True); c.fetchall()"
    )
    child = subprocess.Popen([sys.executable, "-c", code, loaded.odbc], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "900"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(1.0)
    finally:
        child.kill()
        child.wait(10)
        if child.stdout:
            child.stdout.close()


def test_refused_logins_then_accepted(loaded: TwinHandle) -> None:
    loaded.set_fault("refuse", times=2)
    for _ in range(2):
        with pytest.raises(pyodbc.Error) as caught:
            pyodbc.connect(loaded.odbc)
        assert caught.value.args[0] == "08001"
        assert "too many connections" in caught.value.args[1]
        assert loaded.secret not in str(caught.value)
    pyodbc.connect(loaded.odbc).close()


def test_connection_cap(loaded: TwinHandle) -> None:
    cap = loaded.ask("status")["connections"] + 2  # other tests' connections end when they are collected
    loaded.set_fault("cap", value=cap)
    opened: list[pyodbc.Connection] = []
    try:
        with pytest.raises(pyodbc.Error, match="too many connections"):
            opened.extend(pyodbc.connect(loaded.odbc) for _ in range(cap + 1))
        assert loaded.ask("status")["connections"] <= cap + 1  # the refused one may not be gone yet
    finally:
        accepted = len(opened)
        for conn in opened:
            conn.close()
    assert 2 <= accepted <= cap


def test_latency_costs_one_round_trip_per_array(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    loaded.set_fault("latency", "Client", milliseconds=20, array_size=250)
    started = time.monotonic()
    assert len(connection.execute(READ).fetchall()) == 2500
    assert time.monotonic() - started >= 10 * 0.020


def test_unknown_fault_is_refused_in_words(clean_twin: TwinHandle) -> None:
    with pytest.raises(ConfigurationError, match=r"Unknown fault 'fire'. Known: cut, fin"):
        clean_twin.set_fault("fire")
    with pytest.raises(ConfigurationError, match="Unknown field 'when'"):
        clean_twin.set_fault("cut", when=3)


def test_a_dirty_change_is_seen_and_then_gone(loaded: TwinHandle, connection: pyodbc.Connection) -> None:
    name = "SELECT Nom FROM PUB.Client WHERE cod_cli = {} WITH (NOLOCK)"
    with loaded.pg() as conn:
        with dirty_update(conn, "Client", {"Nom": "sale", "solde": 1}, {"cod_cli": 3}) as rows:
            assert rows == 1
            assert connection.execute(name.format(3)).fetchval() == "sale"
        with dirty_insert(conn, "Client", {"cod_cli": 9999, "Nom": "fantôme"}):
            assert connection.execute(name.format(9999)).fetchval() == "fantôme"
    assert connection.execute(name.format(3)).fetchval() == "Nom é 3"
    assert connection.execute(name.format(9999)).fetchval() is None
