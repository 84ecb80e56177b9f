"""How values are stored: typed lists as array text, empty text beside NULL, bytes, any name."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.extents import split_extent
from cbm_etl_assets.twin import store
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.twin.tables import column

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("type_text", "values", "text"),
    [
        ("decimal(12,2)", [Decimal("123.45"), Decimal("0.00"), None, Decimal("-2.50"), Decimal("100")], "123.45;0;?;-2.5;100"),
        ("integer", [100, 0, None], "100;0;?"),
        ("boolean", [True, None, False], "1;?;0"),
        ("date", [dt.date(2024, 1, 31), None], "2024-01-31;?"),
        ("varchar", ["a;b", "", None, "?", "~", "é\n"], "a~;b;;?;~?;~~;é\n"),
    ],
)
def test_typed_lists_become_array_text(clean_twin: TwinHandle, type_text: str, values: list[object], text: str) -> None:
    table = SourceTable("ext", (column("t", type_text, "x", extent=len(values), width=60),))
    with clean_twin.pg() as conn:
        store.create_table(conn, table)
        store.copy_rows(conn, table, pl.DataFrame({"t": [values, None]}))
        assert conn.execute("SELECT t FROM pub.ext").fetchall() == [(text,), (None,)]
    assert len(split_extent(text)) == len(values)


def test_empty_text_null_bytes_and_any_name(clean_twin: TwinHandle) -> None:
    table = SourceTable('Ta"b-le', (column("Mult-fou", "varchar(5)", "character", width=5), column('q"x', "binary", "raw")))
    with clean_twin.pg() as conn:
        store.create_table(conn, table)
        rows = pa.table({"MULT-FOU": ["", None, '"', "\\N", "a,b\r\n"], 'q"x': [b"", None, b"\\x", b"\0", b","]})
        assert store.copy_rows(conn, table, rows) == 5
        stored = conn.execute('SELECT "Mult-fou", "q""x" FROM pub."Ta""b-le"').fetchall()
    assert stored == [("", b""), (None, None), ('"', b"\\x"), ("\\N", b"\0"), ("a,b\r\n", b",")]
    assert clean_twin.row_counts() == {'Ta"b-le': 5}


def test_a_text_longer_than_its_width_and_a_replaced_table(clean_twin: TwinHandle) -> None:
    table = SourceTable("large", (column("t", "varchar(3)", "character", width=3),))
    with clean_twin.pg() as conn:
        for _ in range(2):
            store.create_table(conn, table)
            store.copy_rows(conn, table, pl.DataFrame({"t": ["x" * 31_000]}))
        assert conn.execute("SELECT count(*), max(length(t)) FROM pub.large").fetchone() == (1, 31_000)
