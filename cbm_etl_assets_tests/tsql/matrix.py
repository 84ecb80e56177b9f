"""Every statement the SQL Server dialect can send: specs x modes, driven through the warehouse against the fake server."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.retry import Clockwork, RetryPolicy
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import moving, presenting
from cbm_etl_assets.warehouse.dialects.sqlserver import SqlServerWarehouse
from cbm_etl_assets.warehouse.dialects.sqlserver_bulk import RowArrays
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Connector
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import Layout, make_statements
from cbm_etl_assets.warehouse.dialects.sqlserver_types import type_name
from cbm_etl_assets.warehouse.port import ApplyRequest, Part, StagingTable, TableState, Transfer
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.tsql.fake_server import FakeSender, FakeServer

NOW, T0 = dt.datetime(2026, 3, 1, 2, 0), dt.datetime(2026, 3, 1, 3, 0)
MODES = ("full", "incremental", "partition", "sweep", "repair")
KINDS = (
    "varchar(30)", "varchar", "varchar(9000)", "integer", "bigint", "decimal(15,2)", "double", "boolean", "date", "timestamp",
    "timestamptz", "time", "binary", "binary(16)",
)  # fmt: skip
KEY_KINDS = ("varchar(30)", "integer", "date", "decimal(15,2)", "timestamptz")


def _columns(count: int) -> list[dict[str, Any]]:
    # Small types only where there are many: 600 bigints are a row SQL Server holds, 600 decimals of 38 digits are not.
    kinds = KINDS if count < 100 else ("varchar(30)", "integer", "boolean", "date", "timestamp")
    return [{"name": f"c{i}", "type": kinds[i % len(kinds)]} for i in range(count)]


def specs() -> dict[str, TableSpec]:
    """Names as they may stand in a spec; names no spec admits are tried in test_names."""
    awkward = ["gencod-v", "order", "Select", 'quo"te', "clo]se", "n" * 128, "key", "cod cli"]
    named = [{"name": n, "type": "varchar(20)"} for n in awkward] + [{"name": "dat_mod", "type": "timestamp"}]
    cursor = {"columns": ["dat_mod"], "lookback": "0d"}
    found: dict[str, TableSpec] = {"awkward": make_spec(table="order", columns=named, primary_key=["gencod-v"], cursor=cursor)}
    found["longest name"] = make_spec(table="t" * 114)
    for keys in (1, 2, 5):
        columns = [*({"name": f"k{i}", "type": KEY_KINDS[i]} for i in range(keys)), *_columns(20), {"name": "d1", "type": "date"}]
        stamps = {"columns": ["d1", "c9", "c10"], "lookback": "0d"}
        primary = [f"k{i}" for i in range(keys)]
        found[f"{keys} keys"] = make_spec(columns=columns, primary_key=primary, cursor=stamps)
        found[f"{keys} keys, history"] = make_spec(columns=columns, primary_key=primary, cursor=stamps, history=True)
    found["600 columns"] = make_spec(columns=_columns(600), primary_key=["c0", "c1"], cursor=None, history=True)
    found["no key"] = make_spec(columns=_columns(14), primary_key=[], cursor=None)
    found["no key, history"] = make_spec(columns=_columns(14), primary_key=[], cursor=None, history=True)
    labelled = [{"name": "cod_cli", "type": "bigint", "label": "Code", "description": "l'id"}, {"name": "nom", "type": "varchar(40)"}]
    found["labels"] = make_spec(columns=labelled, cursor=None, description="Clients d'essai")
    return found


LAYOUTS = {
    "plain": Layout(),
    "page": Layout(compression="page", filegroup="DATA 2", schemas=(("ods", "dwh_ods"), ("stg", "dwh_stg"), ("marts", "m"))),
    "columnstore": Layout(compression="columnstore", filegroup="FG]1", key_collation="French_CI_AS"),
}


def make_warehouse(server: FakeServer, layout: Layout | None = None, **changes: Any) -> SqlServerWarehouse:
    connector = Connector("Server=x", make_statements(layout), lock_wait_seconds=5, opener=server)
    quiet = Clockwork(sleep=lambda _: None, monotonic=lambda: 0.0, uniform=lambda low, _high: low)
    sender = changes.pop("sender", None) or FakeSender(server)
    return SqlServerWarehouse(connector, lambda: NOW, sender=sender, clockwork=quiet, retry=RetryPolicy(retries=2), **changes)


def batch_of(spec: TableSpec, rows: int = 1) -> pa.RecordBatch:
    values = [_value(str(kind.kind), rows, kind.arrow()) for _, kind in spec.target_columns]
    hashes = [pa.array([bytes([i % 256, i // 256]) + bytes(30) for i in range(rows)], pa.binary())] * 2
    return pa.RecordBatch.from_arrays([*values, *hashes], names=[*(n for n, _ in spec.target_columns), "_key_hash", "_hashdiff"])


def _value(kind: str, rows: int, arrow: pa.DataType) -> pa.Array:
    plain = {"varchar": "a", "binary": b"a", "boolean": True, "date": dt.date(2026, 1, 1), "time": dt.time(1)}
    value = plain.get(kind, dt.datetime(2026, 1, 1) if kind.startswith("timestamp") else 1)
    return pa.array([Decimal(1) if kind == "decimal" else value] * rows, arrow)


def request(spec: TableSpec, mode: str = "incremental", **changes: Any) -> ApplyRequest:
    keys = {name: batch_of(spec).column(name) for name in (*spec.key_targets, "_key_hash")}
    fields: dict[str, Any] = {
        "spec": spec, "staging": StagingTable(spec.name, f"{spec.name}__7", 7), "mode": mode, "seq": 7, "fencing_token": 1,
        "run_id": f"run-{mode}", "t0": T0, "hash_columns": RowTransform(spec, case_insensitive_keys=True).hash_columns,
        "deletions": pa.table({"_key_hash": keys["_key_hash"]}), "recheck_since": T0, "watermark": NOW,
    }  # fmt: skip
    return ApplyRequest(**(fields | {"misfiled": pa.table(keys) if changes.get("force") else None} | changes))


def stored(spec: TableSpec, *, narrower: bool = False) -> dict[str, dict[str, str]]:
    """Tables as an earlier load left them; `narrower`: the last column was not there, an integer is becoming a bigint."""
    columns = {name: type_name(kind) for name, kind in spec.target_columns}
    if narrower and len(columns) > 1:
        columns = {n: "int" if k == "bigint" else k for n, k in list(columns.items())[:-1]}
    return {"target": columns, "history": columns if spec.history else {}, "recheck": {}, "staging": {}}


def conversation(spec: TableSpec, layout: Layout | None = None) -> Iterator[tuple[FakeServer, str]]:
    """Yields: the server after each scene, with the scene's name. Together they send every statement there is."""
    fresh = FakeServer(is_bootstrapped=False, outcome={"read": 0})
    warehouse = make_warehouse(fresh, layout)
    warehouse.acquire(spec.name)
    fresh.staged = 0
    warehouse.load_staging(spec, StagingTable(spec.name, f"{spec.name}__7", 7), [batch_of(spec)])
    warehouse.apply(request(spec, "full", deletions=None, fencing_token=2))
    yield fresh, "first load"
    for mode in MODES:
        for force in (False, True):
            server = FakeServer(tables=stored(spec), duplicates=(1, 1), state=["t", 7, 5, 5, NOW, 1, '["c1","-gone","~other"]', 0, "", ""])
            make_warehouse(server, layout).apply(request(spec, mode, force=force))
            yield server, f"{mode}{' by value' if force else ''}"
    server = FakeServer(tables=stored(spec, narrower=True), other_version=1, state=["t", 7, 8, 8, NOW, 1, '["c1"]', 0, "", ""])
    make_warehouse(server, layout).apply(request(spec, "partition"))
    server.state[3] = 0
    make_warehouse(server, layout).apply(request(spec, "incremental", seq=9, run_id="r9"))
    yield server, "drift"
    yield from _other_doors(spec, layout)


def _other_doors(spec: TableSpec, layout: Layout | None) -> Iterator[tuple[FakeServer, str]]:
    server = FakeServer(tables=stored(spec), left_over=[f"{spec.name}__3"], described={"": "was", "nom": "was"})
    warehouse = make_warehouse(server, layout)
    warehouse.apply(request(spec, "full", deletions=None))
    warehouse.absent(spec, StagingTable(spec.name, f"{spec.name}__7", 7))
    if spec.cursor:
        warehouse.recheck_keys(spec)
    warehouse.purge(spec, NOW)
    warehouse.drop_staging(spec.name)
    warehouse.columns(spec.name)
    warehouse.advice()
    warehouse.start_over()
    names = [name for name, _ in spec.target_columns]
    warehouse.schema(spec.name, names)
    list(warehouse.live(spec.name, names, 10))
    warehouse.versions(spec, b"\x00" * 32)
    if spec.history:
        warehouse.as_of(spec, T0)
    yield server, "reading and cleaning"
    yield _taken_over(spec, layout), "moved in"
    shown = FakeServer(tables=stored(spec))
    views = presenting.views_of(spec, "reports", 128)
    make_warehouse(shown, layout).present(views)
    make_warehouse(shown, layout).withdraw(views)
    yield shown, "shown to people"
    rows = FakeServer()
    arrays = RowArrays(Connector("", make_statements(layout), opener=rows), make_statements(layout))
    make_warehouse(rows, layout, sender=arrays).load_staging(spec, StagingTable(spec.name, f"{spec.name}__8", 8), [])
    batch = batch_of(spec)
    target = make_statements(layout).ident("stg", f"{spec.name}__8")
    arrays(target, batch.schema.names, pa.RecordBatchReader.from_batches(batch.schema, [batch]))
    yield rows, "row arrays"


def _taken_over(spec: TableSpec, layout: Layout | None) -> FakeServer:
    """A table of another warehouse takes its place here."""
    server = FakeServer(tables=stored(spec))
    warehouse = make_warehouse(server, layout)
    held = moving.stored_spec(spec, {name: kind.arrow() for name, kind in spec.target_columns}, history=spec.history)
    parts = [Part.CURRENT, *([Part.HISTORY] if held.history else []), *([Part.RECHECK] if held.cursor and held.primary_key else [])]
    staged = {part: StagingTable(held.name, f"{held.name}__{20 + i}", 20 + i) for i, part in enumerate(parts)}
    for part, staging in staged.items():
        cargo = moving.cargo_spec(held, part)
        server.staged = 0
        warehouse.load_staging(cargo, staging, [batch_of(cargo)])
    list(warehouse.rows(held.name, [name for name, _ in held.target_columns], 10))
    warehouse.take_over(Transfer(held, TableState(held.name, 5, 5, 5, NOW, 1, ("c1",)), 1, staged))
    return server
