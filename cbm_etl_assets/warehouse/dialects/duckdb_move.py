"""A table of another warehouse takes its place in DuckDB, inside the caller's transaction."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cbm_etl_assets.warehouse import moving
from cbm_etl_assets.warehouse.dialects.duckdb_apply import DuckDbApply
from cbm_etl_assets.warehouse.port import ApplyRequest, Part, TableState, Transfer
from cbm_etl_assets.warehouse.sql import Statements

if TYPE_CHECKING:
    import duckdb


def take_over(
    connection: duckdb.DuckDBPyConnection, statements: Statements, transfer: Transfer, found: TableState, now: dt.datetime
) -> None:
    """`found`: the table's state here. Raises: LostLockError, WarehouseError."""
    moving.refuse_lost_lock(transfer, found.fencing_token)
    spec, state = transfer.spec, transfer.state
    tables = DuckDbApply(connection, statements, _request(transfer, now), now)
    tables.evolve("ddl/create_ods", tables.target, spec.name)
    history = statements.ident("ods", f"{spec.name}_history")
    if Part.HISTORY in transfer.staged:
        tables.evolve("ddl/create_history", history, f"{spec.name}_history")
    else:
        tables.execute("staging/drop", staging=history)
    if spec.cursor and spec.primary_key:
        keys = statements.columns([c for c in spec.target_columns if c[0] in spec.key_targets])
        tables.execute("staging/recheck_replace", recheck=statements.ident("stg", f"_cbm_recheck__{spec.name}"), keys=keys)
    for fill in moving.fills(transfer):
        target, staging = statements.ident(fill.schema, fill.table), statements.ident("stg", fill.staging)
        tables.execute("move/clear", target=target)
        tables.execute("move/fill", target=target, staging=staging, into=statements.names(fill.into), picked=statements.names(fill.picked))
        tables.execute("staging/drop", staging=staging)
    values: dict[str, object] = {
        "issued": state.last_issued_seq, "applied": state.last_applied_seq, "full": state.last_full_seq, "watermark": state.watermark,
        "hash_columns": list(state.hash_columns), "now": now, "table": spec.name,
    }  # fmt: skip
    tables.execute("move/state", values)


def _request(transfer: Transfer, now: dt.datetime) -> ApplyRequest:
    return ApplyRequest(
        spec=transfer.spec, staging=transfer.staged[Part.CURRENT], mode="full", seq=transfer.state.last_applied_seq,
        fencing_token=transfer.fencing_token, run_id="", t0=now,
    )  # fmt: skip
