"""`ods.<t>_history`: every version of a row, half-open [_valid_from, _valid_to), written in the merge's transaction.

Validity starts at the row's own modification time where the table has a cursor, else at t0; always after the previous
bound. Re-runs and late loads add nothing because only rows that changed in ODS reach this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbm_etl_assets.warehouse.dialects.duckdb_columns import cursor_of
from cbm_etl_assets.warehouse.sql import Ident

if TYPE_CHECKING:
    from cbm_etl_assets.warehouse.dialects.duckdb_apply import DuckDbApply


class DuckDbHistory:
    """Works on the merge it is given, before ODS itself is changed."""

    def __init__(self, merge: DuckDbApply) -> None:
        self._merge = merge
        self._history = merge.statements.ident("ods", f"{merge.request.spec.name}_history")

    def prepare(self) -> None:
        """Create and evolve the table; a table that had no history yet starts with its live rows."""
        merge = self._merge
        is_new = not merge.stored_columns(f"{merge.request.spec.name}_history")
        merge.evolve("ddl/create_history", self._history, f"{merge.request.spec.name}_history")
        if is_new:
            merge.execute(
                "history/seed",
                history=self._history,
                target=merge.target,
                columns=merge.columns,
                cursor=cursor_of(merge.request.spec, merge.statements),
            )

    def write(self, *, refreshed: bool) -> None:
        """Close what changed, open the new versions."""
        merge, stamps = self._merge, self._merge.stamps
        merge.execute(
            "history/versions",
            {"t0": stamps["t0"]},
            history=self._history,
            staging=merge.staging,
            cursor=cursor_of(merge.request.spec, merge.statements),
        )
        merge.execute("history/close_versions", history=self._history)
        parameters = {k: stamps[k] for k in ("hash_version", "seq", "t0", "run_id")}
        merge.execute("history/open_versions", parameters, history=self._history, staging=merge.staging, columns=merge.columns)
        if refreshed:
            for name in ("history/refresh_collect", "history/refresh_remove", "history/refresh_insert"):
                wants = {"hash_version": stamps["hash_version"]} if name == "history/refresh_insert" else None
                merge.execute(name, wants, history=self._history, staging=merge.staging, columns=merge.columns)

    def close_deleted(self, gone: Ident) -> None:
        stamps = {k: self._merge.stamps[k] for k in ("t0", "seq")}
        self._merge.execute("history/close_deleted", stamps, history=self._history, target=self._merge.target, gone=gone)
