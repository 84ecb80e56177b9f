"""The merge of one load into DuckDB, inside the caller's transaction.

Changed keys -> delete + insert, never MERGE and no key index: 0.27 s against 1.25 s at 1 % of 40,000 x 320, and 46 s for
a full rewrite of 2 M rows with an index (docs/decisions/0008-duckdb-merge.md).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects import duckdb_raw
from cbm_etl_assets.warehouse.dialects.duckdb_columns import cursor_of, is_wider, is_wider_stored, plain
from cbm_etl_assets.warehouse.dialects.duckdb_history import DuckDbHistory
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, TableState
from cbm_etl_assets.warehouse.sql import Fragment, Ident, Statements, Value

if TYPE_CHECKING:
    import duckdb


class DuckDbApply:
    """One merge: evolve, deduplicate, classify, delete + insert, advance the state, drop the staging table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, statements: Statements, request: ApplyRequest, now: dt.datetime) -> None:
        self.connection = connection
        self.statements = statements
        self.request = request
        self.now = now
        self.target = statements.ident("ods", request.spec.name)
        self.staging = statements.ident("stg", request.staging.name)
        self.columns = statements.columns(request.spec.target_columns)
        self.retyped: set[str] = set()

    def run(self, state: TableState) -> Outcome:
        """Raises: LostLockError, DuplicateKeyError, WarehouseError, AccountingError."""
        request = self.request
        merging.refuse_lost_lock(request, state)
        self.evolve("ddl/create_ods", self.target, self.request.spec.name)
        read = self.number("ods/count", target=self.staging)
        if request.seq < state.last_full_seq:
            outcome = Outcome(read=read, superseded=read)
        elif request.mode == "sweep":
            outcome = self._sweep(read)
        else:
            outcome = self._merge(read, state)
        merging.refuse_unaccounted(request.spec, outcome)
        self._advance(state)
        self._remember()
        duckdb_raw.drop(self.connection, self.statements, request.staging.name)
        return outcome

    def _sweep(self, read: int) -> Outcome:
        """Keys only were read: those ODS lacks are left to the next load."""
        history = DuckDbHistory(self) if self.request.spec.history else None
        if history:
            history.prepare()
        matched = self.number("ods/matched", staging=self.staging, target=self.target)
        return Outcome(read=read, unchanged=matched, filtered=read - matched, deleted=self._tombstone(history))

    def _merge(self, read: int, state: TableState) -> Outcome:
        deduplicated = self._deduplicate()
        self.execute("ods/any_order")  # 2 M x 25 into an empty ODS: the checkpoint took as long as the insert, and the file twice the room
        if self.request.force:
            self._take_out_misplaced()
        history = DuckDbHistory(self) if self.request.spec.history else None
        if history:
            history.prepare()
        if not history and not self.number("ods/count", target=self.target):
            self.execute("ods/insert_all", self.stamps, target=self.target, staging=self.staging, columns=self.columns)
            return Outcome(read=read, inserted=read - deduplicated, deduplicated=deduplicated)
        counts = self._classify(state)
        if history:
            history.write(refreshed=bool(counts.get("refreshed")))
        if counts.keys() & {"updated", "resurrected", "refreshed"}:
            self.execute("ods/remove_changed", target=self.target)
        if counts.keys() & {"inserted", "updated", "resurrected", "refreshed"}:
            self.execute("ods/insert_changed", self.stamps, target=self.target, staging=self.staging, columns=self.columns)
        counts["unchanged"] = counts.get("unchanged", 0) + counts.pop("refreshed", 0)
        return Outcome(read=read, deduplicated=deduplicated, deleted=self._tombstone(history), **counts)

    def _take_out_misplaced(self) -> None:
        """Rows no merge would ever meet: filed under another row's key, or standing beside the one row of their key."""
        spec = self.request.spec
        if self.request.misfiled is not None and self.request.misfiled.num_rows:
            same = " AND ".join(f"m.{q} IS NOT DISTINCT FROM o.{q}" for q in map(self.statements.quote, spec.key_targets))
            self.connection.register("_cbm_misfiled", self.request.misfiled)
            try:
                misfiled = self.statements.ident("_cbm_misfiled")
                self.execute("ods/remove_misfiled", target=self.target, misfiled=misfiled, same=Fragment(same))
            finally:
                self.connection.unregister("_cbm_misfiled")
        self.execute("ods/remove_repeated", target=self.target)

    def _classify(self, state: TableState) -> dict[str, int]:
        """Outcome -> rows. Where the hash was taken over other columns, or by another version, values decide."""
        hash_version, refreshed = self.request.hash_version, Fragment("")
        other_version = bool(self.number("ods/other_version", {"hash_version": hash_version}, target=self.target))
        plan = merging.comparison(self.request, state, retyped=self.retyped, other_version=other_version)
        by_hash = ["o._hashdiff <> s._hashdiff"] if plan.by_hash else []
        respelled = [f"o.{name} <> s.{name}" for name in map(self.statements.quote, plan.respelled)]
        differs = Fragment(_any_of([*by_hash, *self._values_differ(plan.values), *respelled]))
        parameters: dict[str, object] = {"seq": self.request.seq}
        if not plan.by_hash:
            fresh = ["o._hashdiff <> s._hashdiff", "o._hash_version <> $hash_version", *self._values_differ(plan.fresh)]
            refreshed, parameters = Fragment(f"WHEN {_any_of(fresh)} THEN 'refreshed'"), parameters | {"hash_version": hash_version}
        self.execute("ods/classify", parameters, target=self.target, staging=self.staging, differs=differs, refreshed=refreshed)
        return {str(outcome): int(str(rows)) for outcome, rows in self.rows("ods/outcomes")}

    def _values_differ(self, names: Sequence[str]) -> list[str]:
        return [f"o.{name} IS DISTINCT FROM s.{name}" for name in map(self.statements.quote, names)]

    def _deduplicate(self) -> int:
        over, keys_over = (int(str(n)) for n in self.rows("ods/duplicates", staging=self.staging)[0])
        if not over:
            return 0
        spec = self.request.spec
        keys = self.statements.names(spec.key_targets)
        sample = self.rows("ods/duplicate_sample", staging=self.staging, keys=keys) if over > spec.duplicate_keys_max else []
        merging.refuse_duplicates(spec, over, keys_over, sample)
        duckdb_raw.materialise(self.connection, self.statements, spec, self.request.staging.name)
        self.execute("ods/deduplicate", staging=self.staging, keys=keys, order=self._cursor_order())
        return over

    def _cursor_order(self) -> Fragment:
        spec = self.request.spec
        if not spec.cursor:
            return Fragment("")
        cursor = ", ".join(self.statements.quote(spec.column(c).target_name) for c in spec.cursor.columns)
        return Fragment(f"greatest({cursor}) DESC NULLS LAST,")

    def _tombstone(self, history: DuckDbHistory | None) -> int:
        if self.request.deletions is None or not self.request.deletions.num_rows:
            return 0
        self.connection.register("_cbm_gone", self.request.deletions)
        try:
            gone = self.statements.ident("_cbm_gone")
            if history:
                history.close_deleted(gone)
            stamps = {k: self.stamps[k] for k in ("now", "t0", "seq", "run_id")}
            return self.execute("ods/tombstone", stamps, target=self.target, gone=gone)
        finally:
            self.connection.unregister("_cbm_gone")

    @property
    def stamps(self) -> dict[str, object]:
        r = self.request
        return {"hash_version": r.hash_version, "seq": r.seq, "t0": r.t0, "now": self.now, "run_id": r.run_id}

    def _advance(self, state: TableState) -> None:
        r = self.request
        columns = list(merging.hash_columns_after(r, state, self.retyped))
        values = {"seq": r.seq, "is_complete": r.mode in ("full", "sweep"), "watermark": r.watermark, "hash_columns": columns}
        self.execute("staging/advance", values | {"now": self.now, "table": r.spec.name})

    def _remember(self) -> None:
        """The keys to look at again replace those of the load before, which this load has looked at."""
        r, spec = self.request, self.request.spec
        if not spec.cursor or not spec.primary_key or r.mode in ("sweep", "repair"):
            return
        recheck = self.statements.ident("stg", f"_cbm_recheck__{spec.name}")
        keys = self.statements.columns([c for c in spec.target_columns if c[0] in spec.key_targets])
        self.execute("staging/recheck_replace", recheck=recheck, keys=keys)
        if r.recheck_since is not None:
            cursor = cursor_of(spec, self.statements)
            since: dict[str, object] = {"since": r.recheck_since}
            self.execute("staging/recheck_remember", since, recheck=recheck, keys=keys, staging=self.staging, cursor=cursor)

    def stored_columns(self, table: str) -> dict[str, str]:
        """Column -> type as ODS has it, lower-case names; empty when the table is not there."""
        text = self.statements.render("ddl/table_columns")
        found = self.connection.execute(text, {"schema": "ods", "table": table}).fetchall()
        return {name.lower(): kind for name, kind in found}

    def evolve(self, create: str, target: Ident, table: str) -> None:
        """Create the table, add columns, widen types. Raises: WarehouseError on a type that cannot be widened."""
        self.execute(create, target=target, history=target, columns=self.columns)
        stored = self.stored_columns(table)
        for name, kind in self.request.spec.target_columns:
            one = self.statements.columns([(name, kind)])
            now, wanted = stored.get(name.lower()), self.statements.type_name(kind)
            if now is None:
                self.execute("ddl/add_column", target=target, columns=one)
            elif plain(now) != plain(wanted):
                if is_wider(now, kind, wanted):
                    self.execute("ddl/widen_column", target=target, columns=one)
                    self._note_retyped(name, now, wanted)
                elif not is_wider_stored(now, wanted):
                    raise WarehouseError(
                        f"Table '{table}': column '{name}' is {now} in ODS and {wanted} in the spec; the one does not fit the other.",
                        remedy="keep the old type in the spec, or give the column a new `target` name",
                    )

    def _note_retyped(self, name: str, before: str, after: str) -> None:
        """Row hashes are neutral to the width of integers and the scale of decimals, not to other changes of type."""
        bases = {text.split("(")[0].upper() for text in (before, after)}
        if len(bases) > 1 and bases != {"INTEGER", "BIGINT"} and name not in self.request.spec.key_targets:
            self.retyped.add(name)

    # -- execution ----------------------------------------------------------------------------------------------

    def execute(self, name: str, parameters: dict[str, object] | None = None, **values: Value) -> int:
        """Rows the statement touched (0 for DDL)."""
        rows = self.connection.execute(self.statements.render(name, **values), parameters or {}).fetchall()
        return int(rows[0][0]) if rows and isinstance(rows[0][0], int) else 0

    def rows(self, name: str, **values: Value) -> list[tuple[object, ...]]:
        return self.connection.execute(self.statements.render(name, **values)).fetchall()

    def number(self, name: str, parameters: dict[str, object] | None = None, **values: Value) -> int:
        return int(self.connection.execute(self.statements.render(name, **values), parameters or {}).fetchall()[0][0])


def _any_of(terms: Sequence[str]) -> str:
    return "(" + (" OR ".join(terms) or "FALSE") + ")"
