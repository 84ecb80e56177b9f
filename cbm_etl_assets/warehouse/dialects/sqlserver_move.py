"""A table of another warehouse takes its place in SQL Server, in one transaction behind the fence of a load."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import replace

from cbm_etl_assets.errors import TransientWarehouseError, WarehouseError
from cbm_etl_assets.warehouse import moving
from cbm_etl_assets.warehouse.dialects.sqlserver_apply import read_state
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Session
from cbm_etl_assets.warehouse.dialects.sqlserver_evolve import Evolution, read_stored, resource
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements, iso, packed
from cbm_etl_assets.warehouse.port import ApplyRequest, Part, Transfer

Step = tuple[str, Sequence[object]]


def take_over(session: Session, statements: SqlServerStatements, transfer: Transfer, now: dt.datetime, lock_wait_ms: int) -> None:
    """Raises: LostLockError, TransientWarehouseError, WarehouseError."""
    found = read_state(session, statements, transfer.spec.name)
    moving.refuse_lost_lock(transfer, found.state.fencing_token)
    request = ApplyRequest(
        spec=transfer.spec, staging=transfer.staged[Part.CURRENT], mode="full", seq=transfer.state.last_applied_seq,
        fencing_token=transfer.fencing_token, run_id="", t0=now,
    )  # fmt: skip
    for part, staging in transfer.staged.items():
        if part is not Part.RECHECK:  # DDL first, by itself: a text wider than declared has widened its staging column
            stored = read_stored(session, statements, transfer.spec, staging.name)
            Evolution(statements, replace(request, staging=staging), stored, lock_wait_ms).plan().run(session, found.state)
    fence = statements.render("ddl/fence", state=statements.state, lock_wait_ms=statements.number(lock_wait_ms))
    session.run(statements.render("session/begin"))
    try:
        session.run(fence, [transfer.spec.name, transfer.fencing_token, resource(transfer.spec.name)])
        for text, parameters in _steps(statements, transfer, now):
            session.run(text, parameters)
        session.run(statements.render("session/commit"))
    except (WarehouseError, TransientWarehouseError):
        _roll_back(session, statements)
        raise


def _steps(statements: SqlServerStatements, transfer: Transfer, now: dt.datetime) -> Iterator[Step]:
    spec, state = transfer.spec, transfer.state
    if Part.HISTORY not in transfer.staged:
        yield statements.render("ddl/drop_table", target=statements.ident("ods", f"{spec.name}_history")), ()
    if spec.cursor and spec.primary_key:
        yield statements.render("move/clear", target=statements.ident("stg", f"_cbm_recheck__{spec.name}")), ()
    for fill in moving.fills(transfer):
        target, staging = statements.ident(fill.schema, fill.table), statements.ident("stg", fill.staging)
        yield statements.render("move/clear", target=target), ()
        into, picked = statements.names(fill.into), statements.names(fill.picked)
        yield statements.render("move/fill", target=target, staging=staging, into=into, picked=picked), ()
        yield statements.render("ddl/drop_table", target=staging), ()
    numbers = (state.last_issued_seq, state.last_applied_seq, state.last_full_seq)
    values = [*numbers, iso(state.watermark), packed(state.hash_columns), iso(now), spec.name]
    yield statements.render("move/state", state=statements.state), values


def _roll_back(session: Session, statements: SqlServerStatements) -> None:
    try:
        session.run(statements.render("session/rollback"))
    except (WarehouseError, TransientWarehouseError):
        # The link is down: the server rolls back by itself, and the first error is the one to tell.
        return
