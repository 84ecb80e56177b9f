"""Tables of one load brought to what the load needs: created, columns added, types widened, described.

Owns the DDL and its one transaction, in which the stored hashes of a retyped column are marked. Small and apart from the
merge: DDL keeps every reader out while it lasts, and the merge may last minutes. Data is changed in sqlserver_apply.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from cbm_etl_assets.errors import TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Session
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements, cursor_of, packed
from cbm_etl_assets.warehouse.dialects.sqlserver_types import check_row, holds, may_overflow, same_hash, type_name
from cbm_etl_assets.warehouse.port import ApplyRequest, TableState
from cbm_etl_assets.warehouse.sql import Fragment, Ident

_log = logging.getLogger(__name__)
Types = dict[str, str]  # column in lower case -> type as T-SQL spells it


@dataclass(frozen=True)
class Stored:
    """The tables as they are; empty = not there."""

    target: Types = field(default_factory=dict)
    history: Types = field(default_factory=dict)
    staging: Types = field(default_factory=dict)
    recheck: Types = field(default_factory=dict)


def resource(table: str) -> str:
    """What sp_getapplock locks: one loader a table, in this database."""
    return f"cbm_etl:{table}"


def read_stored(session: Session, statements: SqlServerStatements, spec: TableSpec, staging: str) -> Stored:
    names = [
        statements.schema("ods"), spec.name, f"{spec.name}_history", statements.schema("stg"), staging, f"_cbm_recheck__{spec.name}",
    ]  # fmt: skip
    found: dict[str, Types] = {"target": {}, "history": {}, "staging": {}, "recheck": {}}
    for role, name, kind in session.rows(statements.render("ddl/table_columns"), names):
        found[str(role)][str(name).lower()] = str(kind)
    return Stored(**found)


@dataclass
class Evolution:
    """What is to be done; `run` does it. Nothing to do is the common case and costs no transaction."""

    statements: SqlServerStatements
    request: ApplyRequest
    stored: Stored
    lock_wait_ms: int
    steps: list[str] = field(default_factory=list)
    retyped: set[str] = field(default_factory=set)

    def plan(self) -> Evolution:
        """Raises: WarehouseError on a type that cannot be widened, on a row or a name SQL Server cannot hold."""
        spec, statements = self.request.spec, self.statements
        target, history = statements.ident("ods", spec.name), statements.ident("ods", f"{spec.name}_history")
        self._bring(spec.name, target, self.stored.target, "ods")
        if spec.history:
            self._bring(f"{spec.name}_history", history, self.stored.history, "history")
            if not self.stored.history:
                columns = statements.columns(spec.target_columns)
                self.steps.append(statements.render(
                    "ddl/seed_history", history=history, target=target, columns=columns, cursor=Fragment(cursor_of(spec))
                ))  # fmt: skip
        if remembers(self.request):
            self._bring_recheck(statements.ident("stg", f"_cbm_recheck__{spec.name}"))
        return self

    def run(self, session: Session, state: TableState) -> TableState:
        """The state as it is now. Raises: LostLockError, TransientWarehouseError, WarehouseError."""
        if not self.steps:
            return state
        statements, spec = self.statements, self.request.spec
        marked = [merging.OTHER_TYPE + c if c in self.retyped else c for c in state.hash_columns]
        wait = statements.number(self.lock_wait_ms)
        session.run(statements.render("session/begin"))
        try:
            fence = statements.render("ddl/fence", state=statements.state, lock_wait_ms=wait)
            session.run(fence, [spec.name, self.request.fencing_token, resource(spec.name)])
            for step in self.steps:
                session.run(step)
            session.run(statements.render("ddl/mark_columns", state=statements.state), [packed(marked), spec.name])
            session.run(statements.render("session/commit"))
        except (WarehouseError, TransientWarehouseError):
            self._roll_back(session)
            raise
        return TableState(
            state.table, state.last_issued_seq, state.last_applied_seq, state.last_full_seq, state.watermark, state.fencing_token,
            tuple(marked),
        )  # fmt: skip

    def _roll_back(self, session: Session) -> None:
        try:
            session.run(self.statements.render("session/rollback"))
        except (WarehouseError, TransientWarehouseError):
            # The link is down: the server rolls back by itself, and the first error is the one to tell.
            return

    def _wanted(self) -> list[tuple[str, str]]:
        """Types as declared, or as wide as the staged values made them."""
        wanted = [(name, type_name(kind)) for name, kind in self.request.spec.target_columns]
        staged = self.stored.staging
        return [(n, staged[n.lower()] if holds(staged.get(n.lower(), ""), kind) else kind) for n, kind in wanted]

    def _bring(self, table: str, target: Ident, stored: Types, what: str) -> None:
        wanted = self._wanted()
        if not stored:
            self._create(table, target, wanted, what)
            return
        for name, kind in wanted:
            now = stored.get(name.lower())
            if now is None:
                self._alter("ddl/add_column", target, name, kind)
            elif not holds(now, kind):
                if not holds(kind, now):
                    merging.refuse_other_type(table, name, now, kind)
                self._alter("ddl/widen_column", target, name, kind)
                if not same_hash(now, kind) and name not in self.request.spec.key_targets:
                    self.retyped.add(name)

    def _create(self, table: str, target: Ident, wanted: list[tuple[str, str]], what: str) -> None:
        statements = self.statements
        check_row(table, wanted)
        if may_overflow(wanted):
            _log.warning("Table '%s': a row with every text filled passes 8,060 bytes, and SQL Server refuses such a row (511)", table)
        definitions = statements.definitions(wanted, self.request.spec.key_targets)
        storage = Fragment("") if statements.is_columnstore else statements.storage
        self.steps.append(statements.render(f"ddl/create_{what}", target=target, definitions=definitions, storage=storage))
        if statements.is_columnstore:
            self.steps.append(statements.render("ddl/columnstore", target=target, on_filegroup=statements.storage))
        self.steps.append(statements.render(f"ddl/create_{what}_index", target=target))

    def _bring_recheck(self, recheck: Ident) -> None:
        """Its rows have been read by this load already: where a key's type moved on, it is made anew."""
        keys = set(self.request.spec.key_targets)
        wanted = [(name, kind) for name, kind in self._wanted() if name in keys]
        stored = self.stored.recheck
        if stored and set(stored) == {"_key_hash", *(n.lower() for n, _ in wanted)} and all(holds(stored[n.lower()], k) for n, k in wanted):
            return
        definitions = self.statements.definitions(wanted, self.request.spec.key_targets)
        self.steps.append(self.statements.render("ddl/drop_table", target=recheck))
        self.steps.append(self.statements.render("ddl/create_recheck", target=recheck, definitions=definitions))

    def _alter(self, name: str, target: Ident, column: str, kind: str) -> None:
        definitions = self.statements.definitions([(column, kind)], self.request.spec.key_targets)
        self.steps.append(self.statements.render(name, target=target, definitions=definitions))


def remembers(request: ApplyRequest) -> bool:
    """True where the load replaces the keys to be read again."""
    return bool(request.spec.cursor and request.spec.primary_key) and request.mode not in ("sweep", "repair")


def describe(session: Session, statements: SqlServerStatements, spec: TableSpec) -> int:
    """Labels and descriptions of the spec as MS_Description, where SSMS and Power BI show them. Returns how many changed."""
    schema = statements.schema("ods")
    known = {str(c).lower(): str(d) for c, d in session.rows(statements.render("ddl/descriptions"), [schema, spec.name])}
    changed = 0
    for column, text in _texts(spec):
        if text == known.get(column.lower(), ""):
            continue
        verb = Fragment("sp_updateextendedproperty" if column.lower() in known else "sp_addextendedproperty")
        if column:
            session.run(statements.render("ddl/describe_column", verb=verb), [schema, spec.name, column, text])
        else:
            session.run(statements.render("ddl/describe_table", verb=verb), [schema, spec.name, text])
        changed += 1
    return changed


def _texts(spec: TableSpec) -> Iterable[tuple[str, str]]:
    """Column (or '' for the table) and what people call it. 3,700: a description may take 7,500 bytes."""
    yield "", spec.description[:3700]
    for column in spec.kept_columns:
        text = ": ".join(filter(None, (column.label, column.description)))[:3700]
        for name in column.target_names:
            yield name, text
