"""The merge of one load into PostgreSQL, inside the caller's transaction.

Changed keys -> UPDATE, new keys -> INSERT, from one classification. Measured on 20,000 x 160, seconds at 0 / 1 / 10 / 100 % changed:
0.05 / 0.09 / 0.12 / 0.49; ON CONFLICT 0.17 / 0.13 / 0.15 / 0.42 and MERGE 0.09 / 0.08 / 0.13 / 0.42 look at every staged row and tell
no outcome a row, which history needs.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects.postgresql_history import PostgresHistory
from cbm_etl_assets.warehouse.dialects.postgresql_session import Session
from cbm_etl_assets.warehouse.dialects.postgresql_tables import Tables, cursor_of
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, TableState
from cbm_etl_assets.warehouse.sql import Fragment

if TYPE_CHECKING:
    import pyarrow as pa


class PostgresApply:
    """One merge: evolve, deduplicate, classify, update + insert, advance the state, drop the staging table.

    `staged`: rows `load_staging` wrote, None when another process did. A server that crashed in between has emptied the table.
    """

    def __init__(self, session: Session, request: ApplyRequest, now: dt.datetime, staged: int | None) -> None:
        self.session = session
        self.request = request
        self.now = now
        self._staged = staged
        statements = session.statements
        self.target = statements.ident("ods", request.spec.name)
        self.staging = statements.ident("stg", request.staging.name)
        self.columns = statements.columns(request.spec.target_columns)
        self.tables = Tables(session, request.spec)
        self.history = PostgresHistory(self) if request.spec.history else None

    def run(self) -> Outcome:
        """Raises: LostLockError, DuplicateKeyError, WarehouseError, AccountingError."""
        request, session = self.request, self.session
        state, last_outcome = locked_state(session, request.spec.name)
        merging.refuse_lost_lock(request, state)
        if done := self._done_before(state, last_outcome):
            return done
        self.tables.evolve_current()
        read = session.number("ods/count", target=self.staging)
        merging.refuse_lost_rows(request.spec, self._staged, read)
        if request.seq < state.last_full_seq:
            outcome = Outcome(read=read, superseded=read)
        elif request.mode == "sweep":
            outcome = self._sweep(read)
        else:
            outcome = self._merge(read, state)
        merging.refuse_unaccounted(request.spec, outcome)
        self._advance(state, outcome)
        self._remember()
        session.execute("staging/drop", staging=self.staging)
        return outcome

    def _done_before(self, state: TableState, last_outcome: str) -> Outcome | None:
        """The link was lost while the server committed, and the load was tried again: what it did is told, not done twice."""
        if state.last_applied_seq != self.request.seq or not last_outcome:
            return None
        if self.session.rows("staging/exists", {"name": self.request.staging.name})[0][0]:
            return None  # the same seq applied twice on purpose: staged anew
        return Outcome(**json.loads(last_outcome))

    def _sweep(self, read: int) -> Outcome:
        """Keys only were read: those ODS lacks are left to the next load."""
        if self.history:
            self.history.prepare()
        matched = self.session.number("ods/matched", staging=self.staging, target=self.target)
        return Outcome(read=read, unchanged=matched, filtered=read - matched, deleted=self._tombstone())

    def _merge(self, read: int, state: TableState) -> Outcome:
        deduplicated = self._deduplicate()
        if self.request.force:
            self._take_out_misplaced()
        if self.history:
            self.history.prepare()
        if not self.history and not self.session.rows("ods/any", target=self.target)[0][0]:
            self.session.execute("ods/insert_all", self.stamps, target=self.target, staging=self.staging, columns=self.columns)
            return Outcome(read=read, inserted=read - deduplicated, deduplicated=deduplicated)
        counts = self._classify(state)
        if self.history:
            self.history.write(refreshed=bool(counts.get("refreshed")))
        self._write(counts)
        unchanged = read - deduplicated - sum(counts.values()) + counts.pop("refreshed", 0)
        return Outcome(read=read, deduplicated=deduplicated, unchanged=unchanged, deleted=self._tombstone(), **counts)

    def _write(self, counts: dict[str, int]) -> None:
        """Raises: WarehouseError where the server wrote another number of rows than was counted."""
        places, stamps = {"target": self.target, "staging": self.staging}, self.stamps
        wanted = sum(counts.get(name, 0) for name in ("updated", "resurrected", "refreshed"))
        if wanted:
            names = [name for name, _ in self.request.spec.target_columns]
            self._expect(wanted, self.session.execute("ods/update_changed", stamps, assignments=self.assignments(names), **places))
        if counts.get("inserted"):
            self._expect(counts["inserted"], self.session.execute("ods/insert_new", stamps, columns=self.columns, **places))

    def _expect(self, wanted: int, written: int) -> None:
        if wanted != written:
            raise WarehouseError(f"Table '{self.request.spec.name}': {wanted} rows were to be written and {written} were; rolled back.")

    def assignments(self, names: Sequence[str]) -> Fragment:
        quoted = map(self.session.statements.quote, names)
        return Fragment(",\n    ".join(f"{name} = s.{name}" for name in quoted))

    def _take_out_misplaced(self) -> None:
        """Rows no merge would ever meet: filed under another row's key, or standing beside the one row of their key."""
        spec, misfiled = self.request.spec, self.request.misfiled
        if misfiled is not None and misfiled.num_rows:
            keys = self.session.statements.columns([c for c in spec.target_columns if c[0] in spec.key_targets])
            self.session.execute("staging/misfiled_create", keys=keys)
            self._ingest("_cbm_misfiled", misfiled)
            same = " AND ".join(f"m.{q} IS NOT DISTINCT FROM o.{q}" for q in map(self.session.statements.quote, spec.key_targets))
            self.session.execute("ods/remove_misfiled", target=self.target, same=Fragment(same))
        self.session.execute("ods/remove_repeated", target=self.target)

    def _classify(self, state: TableState) -> dict[str, int]:
        """Outcome -> rows, of those that are not what ODS holds already."""
        hash_version = self.request.hash_version
        places, version = {"target": self.target, "staging": self.staging}, {"hash_version": hash_version}
        other_version = bool(self.session.rows("ods/other_version", version, **places)[0][0])
        plan = merging.comparison(self.request, state, retyped=self.tables.retyped, other_version=other_version)
        respelled = [f"o.{name} <> s.{name}" for name in map(self.session.statements.quote, plan.respelled)]
        by_hash = ["o._hashdiff <> s._hashdiff"] if plan.by_hash else []
        differs = Fragment(_any_of([*by_hash, *self._values_differ(plan.values), *respelled]))
        refreshed, parameters = Fragment(""), {"seq": self.request.seq}
        if not plan.by_hash:
            fresh = ["o._hashdiff <> s._hashdiff", "o._hash_version <> $hash_version::smallint", *self._values_differ(plan.fresh)]
            refreshed, parameters = Fragment(f"WHEN {_any_of(fresh)} THEN 'refreshed'"), parameters | {"hash_version": hash_version}
        self.session.execute("staging/changes_create")
        self.session.execute("ods/classify", parameters, target=self.target, staging=self.staging, differs=differs, refreshed=refreshed)
        self.session.execute("staging/changes_analyze")
        return {str(outcome): int(rows) for outcome, rows in self.session.rows("ods/outcomes")}

    def _values_differ(self, names: Sequence[str]) -> list[str]:
        """Staged values as ODS holds them: its type may be the wider one."""
        quote, stored = self.session.statements.quote, self.tables.stored
        return [f"o.{quote(n)} IS DISTINCT FROM s.{quote(n)}::{stored[n]}" for n in names]

    def _deduplicate(self) -> int:
        over, keys_over = self.session.rows("ods/duplicates", staging=self.staging)[0]
        if not over:
            return 0
        spec, names = self.request.spec, self.session.statements.names(self.request.spec.key_targets)
        order = self._key_order()
        sample: list[tuple[Any, ...]] = []
        if over > spec.duplicate_keys_max:
            sample = self.session.rows("ods/duplicate_sample", staging=self.staging, keys=names, order=Fragment(order))
        merging.refuse_duplicates(spec, over, keys_over, sample)
        cursor = f"{cursor_of(spec, self.session.statements, alias='')} DESC NULLS LAST, " if spec.cursor else ""
        self.session.execute("ods/deduplicate", staging=self.staging, order=Fragment(f"{cursor}_hashdiff, {order}"))
        return int(over)

    def _key_order(self) -> str:
        """By bytes, whatever the database's collation: every warehouse keeps the same spelling."""
        spec, quote = self.request.spec, self.session.statements.quote
        kinds = dict(spec.target_columns)
        return ", ".join(quote(n) + (' COLLATE "C"' if kinds[n].is_text else "") for n in spec.key_targets)

    def _tombstone(self) -> int:
        deletions = self.request.deletions
        if deletions is None or not deletions.num_rows:
            return 0
        self.session.execute("staging/gone_create")
        self._ingest("_cbm_gone", deletions.select(["_key_hash"]))
        if self.history:
            self.history.close_deleted()
        return self.session.execute("ods/tombstone", self.stamps, target=self.target)

    def _ingest(self, table: str, rows: pa.Table) -> None:
        import pyarrow as pa

        wanted = dict(self.request.spec.target_columns)
        fields = [pa.field(n, pa.binary() if n == "_key_hash" else wanted[n].arrow()) for n in rows.column_names]
        self.session.ingest(table, rows.cast(pa.schema(fields)).to_reader(), schema=None)

    @property
    def stamps(self) -> dict[str, object]:
        r = self.request
        return {"hash_version": r.hash_version, "seq": r.seq, "t0": r.t0, "now": self.now, "run_id": r.run_id}

    def _advance(self, state: TableState, outcome: Outcome) -> None:
        r = self.request
        self.session.execute("staging/advance", {
            "seq": r.seq, "is_complete": r.mode in ("full", "sweep"), "watermark": r.watermark, "now": self.now, "table": r.spec.name,
            "hash_columns": list(merging.hash_columns_after(r, state, self.tables.retyped)), "outcome": json.dumps(asdict(outcome)),
        })  # fmt: skip

    def _remember(self) -> None:
        """The keys to look at again replace those of the load before, which this load has looked at."""
        r, spec = self.request, self.request.spec
        if not spec.cursor or not spec.primary_key or r.mode in ("sweep", "repair"):
            return
        recheck, keys = self.tables.recheck()
        self.session.execute("staging/recheck_forget", recheck=recheck)
        if r.recheck_since is not None:
            cursor = Fragment(cursor_of(spec, self.session.statements))
            since = {"since": r.recheck_since}
            self.session.execute("staging/recheck_remember", since, recheck=recheck, keys=keys, staging=self.staging, cursor=cursor)


def _any_of(terms: Sequence[str]) -> str:
    return "(" + (" OR ".join(terms) or "FALSE") + ")"


def locked_state(session: Session, table: str) -> tuple[TableState, str]:
    """The state row, locked, and the outcome of the last applied load as JSON."""
    found = session.rows("staging/state_locked", {"table": table})
    return (state_of(found[0]), str(found[0][7])) if found else (TableState(table), "")


def state_of(row: Sequence[Any]) -> TableState:
    return TableState(row[0], row[1], row[2], row[3], row[4], row[5], tuple(row[6]))
