"""A load's own tables in PostgreSQL: created, given new columns, widened; the table of keys to look at again.

Works inside the caller's transaction, which holds the table's lock. Judges no row.
"""

from __future__ import annotations

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects import postgresql_types as types
from cbm_etl_assets.warehouse.dialects.postgresql_session import Session
from cbm_etl_assets.warehouse.sql import Columns, Fragment, Ident, Statements


def cursor_of(spec: TableSpec, statements: Statements, alias: str = "s.") -> str:
    """A staged row's own modification time: the greatest cursor column (greatest skips NULLs)."""
    if not spec.cursor:
        return "NULL::timestamp"
    columns = ", ".join(f"{alias}{statements.quote(spec.column(c).target_name)}::timestamp" for c in spec.cursor.columns)
    return f"greatest({columns})"


class Tables:
    """`stored`: column -> type of `ods.<table>` after `evolve_current`; `retyped`: columns whose stored hashes no longer compare."""

    def __init__(self, session: Session, spec: TableSpec) -> None:
        self._session = session
        self._spec = spec
        self.stored: dict[str, str] = {}
        self.retyped: set[str] = set()

    def columns_of(self, table: str, schema: str = "ods") -> dict[str, str]:
        return dict(self._session.rows("ddl/table_columns", {"schema": schema, "table": table}))

    def evolve_current(self) -> None:
        self._evolve(self._spec.name, "ddl/create_ods", ("ddl/index_ods",))
        self.stored = self.columns_of(self._spec.name)

    def evolve_history(self) -> bool:
        """Returns: whether the table was created just now."""
        return self._evolve(f"{self._spec.name}_history", "ddl/create_history", ("ddl/index_history", "ddl/index_history_open"))

    def recheck(self) -> tuple[Ident, Columns]:
        """The table of remembered keys, created anew where the key's columns or types are others now."""
        name, keys = f"_cbm_recheck__{self._spec.name}", [c for c in self._spec.target_columns if c[0] in self._spec.key_targets]
        ident, columns = self._session.statements.ident("stg", name), self._session.statements.columns(keys)
        stored = {n: types.logical_type(t) for n, t in self.columns_of(name, "stg").items()}
        if stored != {n: types.logical_type(_catalogue(k)) for n, k in keys} | {"_key_hash": types.logical_type("bytea")}:
            self._session.execute("staging/drop", staging=ident)
            self._session.execute("staging/recheck_create", recheck=ident, keys=columns)
        return ident, columns

    def _evolve(self, table: str, create: str, indexes: tuple[str, ...]) -> bool:
        """Create the table, or add columns and widen types. Raises: WarehouseError on a type that cannot be widened."""
        session, statements = self._session, self._session.statements
        target, stored = statements.ident("ods", table), self.columns_of(table)
        if not stored:
            session.execute(create, target=target, columns=statements.columns(self._spec.target_columns))
            for index in indexes:
                session.execute(index, target=target)
            return True
        spelled = {name.lower(): name for name in stored}
        for name, kind in self._spec.target_columns:
            one, held = statements.columns([(name, kind)]), spelled.get(name.lower())
            if held is None:
                session.execute("ddl/add_column", target=target, columns=one)
            elif held != name:
                raise WarehouseError(
                    f"Table '{table}': column '{name}' is '{held}' in ODS; PostgreSQL takes these for two columns.",
                    remedy=f"write `target: {held}` in the spec",
                )
            elif self._must_widen(table, name, stored[held], kind):
                self._widen(table, target, one)
        return False

    def _widen(self, table: str, target: Ident, column: Columns) -> None:
        """PostgreSQL changes no type a view shows: ours (`cbm-etl tables views`) step aside for the moment. Readers see none of it."""
        session = self._session
        views = [(session.statements.ident(s, n), Fragment(text)) for s, n, text in session.rows("views/dependents", {"table": table})]
        for view, _ in views:
            session.execute("views/drop", view=view)
        session.execute("ddl/widen_column", target=target, columns=column)
        for view, definition in views:
            session.execute("views/remake", view=view, definition=definition)

    def _must_widen(self, table: str, name: str, stored: str, wanted: LogicalType) -> bool:
        before, after = types.logical_type(stored), types.logical_type(_catalogue(wanted))
        if before == after:
            return False
        if before is None or after is None or not (merging.widens(before, after) or merging.fits_into(before, after)):
            merging.refuse_other_type(table, name, types.shown(stored), types.shown(_catalogue(wanted)))
        if before is None or after is None or not merging.widens(before, after):
            return False
        if merging.changes_hash(before, after) and name not in self._spec.key_targets:
            self.retyped.add(name)
        return True


def _catalogue(kind: LogicalType) -> str:
    """A wanted type as the catalogue would say it, widths left out as the dialect does."""
    word = types.type_name(kind)
    return {"timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "time": "time without time zone"}.get(
        word, word
    )
