"""A table of another warehouse takes its place in PostgreSQL, inside the caller's transaction."""

from __future__ import annotations

import datetime as dt

from cbm_etl_assets.warehouse import merging, moving
from cbm_etl_assets.warehouse.dialects.postgresql_apply import locked_state
from cbm_etl_assets.warehouse.dialects.postgresql_session import Session
from cbm_etl_assets.warehouse.dialects.postgresql_tables import Tables
from cbm_etl_assets.warehouse.port import Part, Transfer


def take_over(session: Session, transfer: Transfer, now: dt.datetime, staged: dict[str, int]) -> None:
    """`staged`: rows of each staging table as they were written. Raises: LostLockError, WarehouseError."""
    spec, state, statements = transfer.spec, transfer.state, session.statements
    moving.refuse_lost_lock(transfer, locked_state(session, spec.name)[0].fencing_token)
    tables = Tables(session, spec)
    tables.evolve_current()
    if Part.HISTORY in transfer.staged:
        tables.evolve_history()
    else:
        session.execute("staging/drop", staging=statements.ident("ods", f"{spec.name}_history"))
    if spec.cursor and spec.primary_key:
        session.execute("move/clear", target=tables.recheck()[0])
    for fill in moving.fills(transfer):
        target, staging = statements.ident(fill.schema, fill.table), statements.ident("stg", fill.staging)
        merging.refuse_lost_rows(spec, staged.get(fill.staging), session.number("ods/count", target=staging))
        session.execute("move/clear", target=target)
        session.execute("move/fill", target=target, staging=staging, into=statements.names(fill.into), picked=statements.names(fill.picked))
        session.execute("staging/drop", staging=staging)
    values: dict[str, object] = {
        "issued": state.last_issued_seq, "applied": state.last_applied_seq, "full": state.last_full_seq, "watermark": state.watermark,
        "hash_columns": list(state.hash_columns), "now": now, "table": spec.name,
    }  # fmt: skip
    session.execute("move/state", values)
