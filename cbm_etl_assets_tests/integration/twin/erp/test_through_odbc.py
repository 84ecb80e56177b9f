"""The ERP as the ODBC driver delivers it through the OpenEdge-like server: the same values as generated."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyodbc
import pytest

from cbm_etl_assets.twin.erp.draw import World
from cbm_etl_assets.twin.erp.generate import generate_world
from cbm_etl_assets.twin.erp.load import load_world
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, erp_table
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.twin.erp.conftest import TODAY

pytestmark = pytest.mark.integration
SMALL = World(seed=3, counts=dict.fromkeys(BLUEPRINTS, 60), today=TODAY)


def _read(odbc: str, table: str) -> list[tuple[Any, ...]]:
    names = ", ".join(f'"{c.name}"' for c in erp_table(table).columns)
    connection = pyodbc.connect(odbc, autocommit=True)
    try:
        return [tuple(row) for row in connection.execute(f'SELECT {names} FROM PUB."{table}" WITH (NOLOCK)').fetchall()]
    finally:
        connection.close()


@pytest.mark.parametrize("table", ["client", "produit", "hisprixa", "entetcli"])
def test_the_driver_delivers_the_generated_values(clean_twin: TwinHandle, table: str) -> None:
    with clean_twin.pg() as conn:
        load_world(conn, SMALL, tables=[table])
    expected = pl.concat(list(generate_world(table, SMALL))).rows()
    assert sorted(_read(clean_twin.odbc, table), key=repr) == sorted(expected, key=repr)


def test_an_over_wide_text_is_an_error_of_the_server(clean_twin: TwinHandle) -> None:
    with clean_twin.pg() as conn:
        load_world(conn, World(seed=3, counts=SMALL.counts, today=TODAY, over_width=True), tables=["client"])
    with pytest.raises(pyodbc.Error, match=r"Column nom_cli in table PUB\.client has value exceeding its max length") as raised:
        _read(clean_twin.odbc, "client")
    assert raised.value.args[0] == "22P00"
