"""`ods.<t>_history` in PostgreSQL: every version of a row, half-open [_valid_from, _valid_to), written in the merge's transaction.

Validity starts at the row's own modification time where the table has a cursor, else at t0; always after the previous
bound. Re-runs and late loads add nothing because only rows that change in ODS reach this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cbm_etl_assets.warehouse.dialects.postgresql_tables import cursor_of
from cbm_etl_assets.warehouse.sql import Fragment

if TYPE_CHECKING:
    from cbm_etl_assets.warehouse.dialects.postgresql_apply import PostgresApply


class PostgresHistory:
    """Works on the merge it is given, before ODS itself is changed."""

    def __init__(self, merge: PostgresApply) -> None:
        self._merge = merge
        self._session = merge.session
        self._history = merge.session.statements.ident("ods", f"{merge.request.spec.name}_history")
        self._cursor = Fragment(cursor_of(merge.request.spec, merge.session.statements))

    def prepare(self) -> None:
        """Create and evolve the table; a table that had no history yet starts with its live rows."""
        merge = self._merge
        if merge.tables.evolve_history():
            self._session.execute("history/seed", history=self._history, target=merge.target, columns=merge.columns, cursor=self._cursor)

    def write(self, *, refreshed: bool) -> None:
        """Close what changed, open the new versions."""
        merge, session = self._merge, self._session
        places = {"history": self._history, "staging": merge.staging}
        stamps = {k: merge.stamps[k] for k in ("hash_version", "seq", "t0", "run_id")}
        session.execute("history/versions_create")
        session.execute("history/versions", stamps, cursor=self._cursor, **places)
        session.execute("history/close_versions", history=self._history)
        session.execute("history/open_versions", stamps, columns=merge.columns, **places)
        if refreshed:
            names = [name for name, _ in merge.request.spec.target_columns]
            session.execute("history/refresh", stamps, assignments=merge.assignments(names), **places)

    def close_deleted(self) -> None:
        self._session.execute("history/close_deleted", self._merge.stamps, history=self._history, target=self._merge.target)
