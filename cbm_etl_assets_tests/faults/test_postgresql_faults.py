"""What may go wrong with a PostgreSQL warehouse: one explained message each, nothing half done, nothing left once it answers again."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import CbmError, LostLockError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.settings import ControlSettings, Settings, WarehouseSettings
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.port import Advises, ApplyRequest, Outcome, StagingTable, TableState, Warehouse
from cbm_etl_assets.warehouse.sql import sql_root
from cbm_etl_assets_tests.contract.test_warehouse import NOW, T0, Loader, row
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database

__all__ = ["control_postgres", "postgres_database"]
LOCK_WAIT_SECONDS = 0.3
REPOSITORY = Path(__file__).parent.parent.parent


def opened(url: str, lock_wait_seconds: float = LOCK_WAIT_SECONDS) -> Warehouse:
    held = WarehouseSettings(kind="postgresql", connection_string=SecretStr(url), lock_wait_seconds=lock_wait_seconds)
    return registry.create(Settings(warehouse=held), lambda: NOW)


@pytest.fixture
def kit(postgres_database: str) -> Iterator[Loader]:
    made = opened(postgres_database)
    yield Loader(made, make_spec())
    made.close()


@pytest.fixture
def server(postgres_database: str) -> Iterator[Callable[..., list[tuple[Any, ...]]]]:
    """Statements behind the warehouse's back."""
    with psycopg.connect(postgres_database, autocommit=True) as connection:

        def run(statement: str, *values: object) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement, values or None)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

        yield run


@contextmanager
def locked(url: str, statement: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute(statement)  # type: ignore[call-overload]
        yield
        other.rollback()


def request_of(kit: Loader, state: TableState, staging: StagingTable) -> ApplyRequest:
    hash_columns = RowTransform(kit.spec, case_insensitive_keys=True).hash_columns
    return ApplyRequest(kit.spec, staging, "full", staging.seq, state.fencing_token, "r", T0, hash_columns=hash_columns)


@pytest.mark.parametrize(
    ("pattern", "instead", "kind", "said"),
    [
        ("pw-of-a-test", "wrong", WarehouseError, "refused the login"), ("/w[0-9a-f]+$", "/nope", WarehouseError, "no database 'nope'"),
        (r":\d+/", ":1/", TransientWarehouseError, "does not answer"),
        ("@127.0.0.1", "@host.invalid", TransientWarehouseError, "does not answer"),
    ],
)  # fmt: skip
def test_a_connection_that_fails_is_explained(postgres_database: str, pattern: str, instead: str, kind: type[CbmError], said: str) -> None:
    with pytest.raises(kind, match=said) as caught:
        opened(re.sub(pattern, instead, postgres_database)).prepare()
    assert "pw-of-a-test" not in str(caught.value)
    assert caught.value.remedy


def test_a_login_without_rights_is_told_what_it_lacks(postgres_database: str, server: Callable[..., Any]) -> None:
    server("CREATE ROLE poor LOGIN PASSWORD 'pw-of-a-test'")
    try:
        poor = opened(postgres_database.replace("//twin:", "//poor:"))
        with pytest.raises(WarehouseError, match=r"(?s)lacks a right: permission denied for database .*grants"):
            poor.prepare()
        poor.close()
    finally:
        server("DROP ROLE poor")


def test_the_scripts_for_a_dba_give_rights_enough_and_no_more(postgres_database: str, server: Callable[..., Any], tmp_path: Path) -> None:
    """sql/postgresql/grants as it stands: the loader loads with history and the control database, the reader reads ods only."""
    grants = sql_root() / "postgresql" / "grants"
    as_role = [postgres_database.replace("//twin:", f"//{role}:") for role in ("cbm_etl", "cbm_report")]
    try:
        for name in ("warehouse_login", "control_login", "report_login"):
            server((grants / f"{name}.sql").read_text())
        for role in ("cbm_etl", "cbm_report"):
            server(f"ALTER ROLE {role} PASSWORD 'pw-of-a-test'")
        loader = Loader(opened(as_role[0]), make_spec(history=True))
        assert loader.load([row(1)]) == Outcome(read=1, inserted=1)
        loader.warehouse.close()
        url = SecretStr(as_role[0].replace("postgresql:", "postgresql+psycopg:"))
        with closing(ControlStore(Settings(home=tmp_path, control=ControlSettings(url=url)))) as control:
            control.upgrade()
        with psycopg.connect(as_role[1], autocommit=True) as reader:
            assert reader.execute("SELECT cod_cli FROM ods.client_history").fetchall() == [(1,)]
            for statement in ("DELETE FROM ods.client", "SELECT * FROM stg._cbm_state", "CREATE TABLE ods.x (i integer)"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    reader.execute(statement)  # type: ignore[call-overload]
    finally:
        for role in ("cbm_report", "cbm_etl"):
            server(f"DROP OWNED BY {role} CASCADE")
            server(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    "statement",
    [
        "LOCK TABLE ods.client IN ACCESS EXCLUSIVE MODE", "SELECT * FROM stg._cbm_state FOR UPDATE",
        "SELECT pg_advisory_xact_lock(hashtextextended('cbm_etl_assets.client', 0))",
    ],
    ids=["table", "state", "loader"],
)  # fmt: skip
def test_cf09_a_blocked_table_says_so_and_the_retry_succeeds(kit: Loader, postgres_database: str, statement: str) -> None:
    kit.load([row(1)])
    state, staging = kit.stage([row(1, "y"), row(2)])
    with locked(postgres_database, statement), pytest.raises(TransientWarehouseError, match=r"kept it locked for 0.3 s"):
        kit.warehouse.apply(request_of(kit, state, staging))
    assert kit.warehouse.apply(request_of(kit, state, staging)) == Outcome(read=2, inserted=1, updated=1)
    assert kit.warehouse.left_over() == []


def test_a_deadlock_is_transient(postgres_database: str) -> None:
    kit = Loader(opened(postgres_database, lock_wait_seconds=20), make_spec())
    kit.load([row(1)])
    state, staging = kit.stage([row(1, "y")])
    with psycopg.connect(postgres_database) as other:
        other.execute("SET deadlock_timeout = '60s'")  # so that ours is the one the server chooses
        other.execute("LOCK TABLE ods.client IN ACCESS EXCLUSIVE MODE")
        waits = threading.Thread(target=lambda: other.execute("SELECT * FROM stg._cbm_state FOR UPDATE").fetchall())
        threading.Timer(0.1, waits.start).start()
        with pytest.raises(TransientWarehouseError, match="40P01"):
            kit.warehouse.apply(request_of(kit, state, staging))
        waits.join()
        other.rollback()
    assert kit.warehouse.apply(request_of(kit, state, staging)) == Outcome(read=1, updated=1)
    kit.warehouse.close()


def test_a_connection_that_died_is_replaced_for_the_next_table(kit: Loader, server: Callable[..., Any]) -> None:
    kit.load([row(1)])
    server("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cbm-etl' AND datname = current_database()")
    assert kit.load([row(1)]) == Outcome(read=1, unchanged=1)


def test_a_link_cut_in_the_merge_is_transient_and_leaves_nothing(kit: Loader, server: Callable[..., Any], postgres_database: str) -> None:
    kit.load([row(1)])
    state, staging = kit.stage([row(1, "y")])
    with locked(postgres_database, "LOCK TABLE ods.client IN ACCESS EXCLUSIVE MODE"):
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cbm-etl' AND wait_event_type = 'Lock'"
        threading.Timer(0.1, lambda: server(kill)).start()
        with pytest.raises(TransientWarehouseError):
            kit.warehouse.apply(request_of(kit, state, staging))
    assert kit.stored() == [(1, "x")]
    assert kit.warehouse.apply(request_of(kit, state, staging)) == Outcome(read=1, updated=1)


KILLED = """
import sys, time
from cbm_etl_assets_tests.contract.test_warehouse import Loader, row
from cbm_etl_assets_tests.faults.test_postgresql_faults import opened, request_of
from cbm_etl_assets_tests.specs import make_spec
kit = Loader(opened(sys.argv[1], 60), make_spec(history=True))
if sys.argv[2] == "copy":
    def rows():
        yield from ()
        print("ready", flush=True)
        time.sleep(600)
    from cbm_etl_assets.warehouse.port import StagingTable
    state = kit.warehouse.acquire("client")
    kit.warehouse.load_staging(kit.spec, StagingTable("client", f"client__{state.last_issued_seq}", state.last_issued_seq), rows())
state, staging = kit.stage([row(1, "killed"), row(3, "killed")])
print("ready", flush=True)
kit.warehouse.apply(request_of(kit, state, staging))
"""


@pytest.mark.parametrize("where", ["copy", "merge"])
def test_a_load_killed_anywhere_is_as_if_it_had_never_been(postgres_database: str, server: Callable[..., Any], where: str) -> None:
    """kill -9 in the bulk copy and in the merge: the very next load finds no lock, no rows and no staging table of it."""
    kit = Loader(opened(postgres_database, lock_wait_seconds=20), make_spec(history=True))
    kit.load([row(1), row(2)])
    before = kit.stored()
    with psycopg.connect(postgres_database) as other:
        other.execute("LOCK TABLE ods.client IN ACCESS EXCLUSIVE MODE")
        child = subprocess.Popen([sys.executable, "-c", KILLED, postgres_database, where], stdout=subprocess.PIPE, cwd=REPOSITORY)
        with child:
            assert child.stdout
            assert child.stdout.readline() == b"ready\n"
            if where == "merge":
                waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'cbm-etl' AND wait_event_type = 'Lock'"
                deadline = time.monotonic() + 60
                while not server(waiting) and time.monotonic() < deadline:
                    time.sleep(0.05)
            child.kill()
        other.rollback()
    assert kit.stored() == before
    assert kit.load([row(1), row(2, "y")]) == Outcome(read=2, unchanged=1, updated=1)
    assert kit.warehouse.left_over() == []
    assert len(kit.versions()) == 3
    kit.warehouse.close()


def test_a_commit_nobody_heard_of_is_not_done_twice(kit: Loader) -> None:
    """The link was lost while the server committed: the load tries again and is told what it did."""
    state, staging = kit.stage([row(1), row(2)])
    done = kit.warehouse.apply(request_of(kit, state, staging))
    assert kit.warehouse.apply(request_of(kit, state, staging)) == done == Outcome(read=2, inserted=2)
    with pytest.raises(LostLockError):
        kit.warehouse.apply(dataclasses.replace(request_of(kit, state, staging), fencing_token=99))


def test_rows_a_crashed_server_forgot_are_not_taken_for_an_empty_source(kit: Loader, server: Callable[..., Any]) -> None:
    """Unlogged tables are empty after a crash; a merge of nothing would move the watermark over rows that were never loaded."""
    kit.load([row(1)])
    state, staging = kit.stage([row(1), row(2)])
    server(f'TRUNCATE stg."{staging.name}"')
    with pytest.raises(WarehouseError, match="2 rows were staged and 0 are left"):
        kit.warehouse.apply(request_of(kit, state, staging))
    with pytest.raises(WarehouseError, match="2 rows were staged and 0 are left"):
        kit.warehouse.absent(kit.spec, staging)
    assert kit.stored() == [(1, "x")]


def test_a_refusal_in_the_merge_leaves_nothing_half_done(kit: Loader, server: Callable[..., Any]) -> None:
    kit.load([row(i) for i in range(1, 50)])
    before = kit.stored()
    state, staging = kit.stage([row(i, "y") for i in range(1, 50)])
    server("ALTER TABLE ods.client ADD CONSTRAINT refuses CHECK (nom <> 'y')")
    with pytest.raises(WarehouseError, match="Table 'client': PostgreSQL 23514"):
        kit.warehouse.apply(request_of(kit, state, staging))
    assert kit.stored() == before
    assert kit.warehouse.drop_staging("client") == 1


def test_two_loads_of_one_table_take_turns_and_the_older_token_loses(postgres_database: str, kit: Loader) -> None:
    first, staging = kit.stage([row(1, "first")])
    other = Loader(opened(postgres_database), make_spec())
    assert other.load([row(1, "second")]) == Outcome(read=1, inserted=1)
    with pytest.raises(LostLockError):
        kit.warehouse.apply(request_of(kit, first, staging))
    assert other.stored() == [(1, "second")]
    other.warehouse.close()


def test_many_threads_load_many_tables(postgres_database: str) -> None:
    warehouse = opened(postgres_database)

    def load(number: int) -> Outcome:
        loader = Loader(warehouse, make_spec(target=f"t{number}"))
        loader.load([row(key, "a") for key in range(20)])
        return loader.load([row(key, "b") for key in range(20)])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(load, range(4))) == [Outcome(read=20, updated=20)] * 4
    assert [warehouse.query(f"SELECT count(*), min(nom) FROM ods.t{n}").rows for n in range(4)] == [[(20, "b")]] * 4
    warehouse.close()


def test_a_database_that_cannot_hold_every_text_is_refused(postgres_database: str, server: Callable[..., Any]) -> None:
    name = f"{postgres_database.rsplit('/', 1)[1]}_ascii"
    server(f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    try:
        narrow = opened(postgres_database + "_ascii")
        with pytest.raises(WarehouseError, match="encoded in SQL_ASCII"):
            narrow.prepare()
        narrow.close()
    finally:
        server(f"DROP DATABASE {name} WITH (FORCE)")


def test_preflight_advises_on_the_server(kit: Loader) -> None:
    assert isinstance(kit.warehouse, Advises)
    assert kit.warehouse.advice() == ()


def test_a_database_of_others_is_no_place_for_a_demo(kit: Loader, postgres_database: str, server: Callable[..., Any]) -> None:
    from cbm_etl_assets.cli.demo_story import empty_warehouse
    from cbm_etl_assets.errors import ConfigurationError

    settings = Settings(home=Path("unused"), warehouse=WarehouseSettings(kind="postgresql", connection_string=SecretStr(postgres_database)))
    kit.load([row(1)])
    with pytest.raises(ConfigurationError, match="holds schemas stg or ods already"):
        empty_warehouse(settings)
    server("DROP SCHEMA stg, ods, marts CASCADE")
    empty_warehouse(settings)
    server("CREATE TABLE ods.x (i integer)")
    empty_warehouse(settings)
    assert server("SELECT to_regclass('ods.x')") == [(None,)]
