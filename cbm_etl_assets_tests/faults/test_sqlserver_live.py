"""What only a real SQL Server can show: processes killed in the bulk copy and in the merge, a table somebody holds, refused logins.

Skipped where CBM_TEST_SQLSERVER names none.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.errors import TransientWarehouseError, WarehouseError
from cbm_etl_assets.settings import Settings, WarehouseSettings
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.dialects.sqlserver import SqlServerWarehouse
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import pairs
from cbm_etl_assets.warehouse.port import Outcome
from cbm_etl_assets_tests.contract.test_warehouse import NOW, Loader, row
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.tsql import live

SERVER = os.environ.get(live.VARIABLE, "")
REPOSITORY = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not SERVER, reason=f"{live.VARIABLE} names no server")

CHILD = """
import sys, time
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements
from cbm_etl_assets.warehouse.port import StagingTable
from cbm_etl_assets_tests.contract.test_warehouse import Loader, row
from cbm_etl_assets_tests.faults.test_sqlserver_live import opened
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.tsql.matrix import batch_of

loader = Loader(opened(), make_spec())
if sys.argv[1] == "bulk":
    state = loader.warehouse.acquire("client")

    def rows():
        yield batch_of(loader.spec, 500)
        print("under way", flush=True)
        time.sleep(600)

    loader.warehouse.load_staging(loader.spec, StagingTable("client", f"client__{state.last_issued_seq}", state.last_issued_seq), rows())
plain = SqlServerStatements.render
slow = lambda self, name, **v: ("WAITFOR DELAY '00:09:00';" if name == "apply/end" else "") + plain(self, name, **v)
SqlServerStatements.render = slow
staged = loader.stage([row(1, "never seen"), row(9, "never seen")])
print("under way", flush=True)
loader.apply(*staged)
"""


def opened(lock_wait_seconds: float = 5, given: str = SERVER) -> SqlServerWarehouse:
    held = WarehouseSettings(kind="sqlserver", connection_string=SecretStr(given), lock_wait_seconds=lock_wait_seconds, retries=0)
    made = registry.create(Settings(warehouse=held), lambda: NOW)
    assert isinstance(made, SqlServerWarehouse)
    return made


@pytest.fixture
def loader() -> Iterator[Loader]:
    live.empty(SERVER)
    yield Loader(opened(60), make_spec(history=True))  # the server may take a moment to miss a killed client
    live.empty(SERVER)


@pytest.mark.parametrize("where", ["bulk", "apply"])
def test_a_load_killed_there_leaves_the_table_as_it_was_and_the_next_one_is_clean(loader: Loader, where: str) -> None:
    loader.load([row(1), row(2)])
    command = [sys.executable, "-c", CHILD, where]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as child:
        assert child.stdout
        assert child.stdout.readline() == "under way\n"
        if where == "apply":
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(timeout=3)  # the batch has begun and waits before its end
        child.kill()
    assert loader.stored() == [(1, "x"), (2, "x")]
    assert loader.load([row(1, "y"), row(3)], "incremental") == Outcome(read=2, inserted=1, updated=1)
    assert loader.warehouse.left_over() == []


def test_a_table_somebody_holds_is_said_to_be_held_and_nothing_stays(loader: Loader) -> None:
    loader.load([row(1)])
    warehouse = opened(lock_wait_seconds=1)
    with warehouse.connector.session() as other:
        other.run("BEGIN TRANSACTION; UPDATE [ods].[client] SET [nom] = N'held';")
        held = Loader(warehouse, loader.spec)
        with pytest.raises(TransientWarehouseError, match="1222"):
            held.load([row(1, "y")], "incremental")
        other.run("ROLLBACK TRANSACTION;")
    assert loader.load([row(1, "y")], "incremental") == Outcome(read=1, updated=1)
    assert loader.warehouse.left_over() == []


@pytest.mark.parametrize(
    ("keyword", "value", "said"), [("pwd", "wrong", "login was refused"), ("database", "nope", "database cannot be opened")]
)
def test_a_refused_login_is_explained(keyword: str, value: str, said: str) -> None:
    changed = ";".join(f"{k}={value if k.lower() == keyword else v}" for k, v in pairs(SERVER))
    if changed == ";".join(f"{k}={v}" for k, v in pairs(SERVER)):
        pytest.skip(f"the connection string has no {keyword}")
    with pytest.raises(WarehouseError, match=said) as caught:
        opened(given=changed).prepare()
    assert caught.value.remedy
    assert not re.search("pwd=", str(caught.value), re.IGNORECASE)
