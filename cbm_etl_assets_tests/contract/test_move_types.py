"""Every type's edges move from one warehouse to another unchanged, and what differs by the least is noticed."""

from __future__ import annotations

import datetime as dt
import math
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.move import House, MoveStatus, move_table
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets_tests.contract.test_warehouse import NOW, Loader
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database"]
UTC = dt.UTC
EDGES: dict[str, list[Any]] = {
    "varchar(40)": ["", " é\U0001f600 \t\n", None, "\\N", "x" * 40], "integer": [-(2**31), 2**31 - 1, None, 0, 1],
    "bigint": [-(2**63), 2**63 - 1, None, 0, 1],
    "decimal(38,10)": [Decimal("9" * 28 + "." + "9" * 10), Decimal("-0.0000000001"), None, Decimal(0), 1],
    "double": [math.inf, -0.0, None, math.nan, 5e-324], "boolean": [True, False, None, True, False],
    "date": [dt.date(1, 1, 1), dt.date(9999, 12, 31), None, dt.date(1600, 2, 29), dt.date(2026, 10, 25)],
    "timestamp": [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), None, dt.datetime(1582, 10, 10), NOW],
    "timestamptz": [dt.datetime(1900, 1, 1, tzinfo=UTC), dt.datetime(2026, 10, 25, 0, 30, 0, 1, tzinfo=UTC), None,
                    dt.datetime(2026, 10, 25, 1, 30, tzinfo=UTC), dt.datetime(9999, 12, 31, tzinfo=UTC)],
    "time": [dt.time(0), dt.time(23, 59, 59, 999999), None, dt.time(12), dt.time(0, 0, 0, 1)],
    "binary(20)": [b"", b"\x00\xff", None, b"\\x00", bytes(20)],
}  # fmt: skip


def spec_of() -> TableSpec:
    columns = [{"name": "id", "type": "integer"}, *({"name": f"c{i}", "type": kind} for i, kind in enumerate(EDGES))]
    return TableSpec.model_validate({"table": "edges", "primary_key": ["id"], "history": True, "columns": columns})


def shown(rows: list[tuple[Any, ...]]) -> str:
    """Two spellings of the zone UTC are one; nothing else is evened out."""
    return repr([tuple(v.astimezone(UTC) if isinstance(v, dt.datetime) and v.tzinfo else v for v in row) for row in rows])


@pytest.mark.parametrize(("old", "new"), [("duckdb", "postgresql"), ("postgresql", "duckdb")])
def test_every_edge_arrives_as_it_stood(old: str, new: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    one = Settings(home=tmp_path, warehouse=warehouse_of(old, request, tmp_path))
    two = Settings(home=tmp_path, warehouse=warehouse_of(new, request, tmp_path))
    with closing(ControlStore(one)) as control, closing(registry.create(one)) as source, closing(registry.create(two)) as target:
        loader = Loader(source, spec_of())
        rows = list(zip(range(5), *EDGES.values(), strict=True))
        loader.load(rows)
        loader.replace_all(rows[:4])
        for expected in (MoveStatus.COPIED, MoveStatus.PRESENT):
            moved = move_table(House(two, control, source, target), loader.spec)
            assert (moved.status, moved.rows) == (expected, {"current": 5, "history": 5})
        for table in ("edges", "edges_history"):
            text = f"SELECT * FROM ods.{table} ORDER BY id"
            assert shown(source.query(text).rows) == shown(target.query(text).rows)
        carried_on = Loader(target, loader.spec)
        assert carried_on.load(rows).unchanged == 4
