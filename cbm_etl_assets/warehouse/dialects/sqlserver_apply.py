"""The merge of one load into SQL Server: what it needs is read first, then ONE batch does it in one transaction.

No MERGE (it races without HOLDLOCK): a guarded UPDATE and INSERT under a transaction-owned application lock. The batch checks
that nothing moved since the plan was made, counts with ROWCOUNT_BIG, and leaves its outcome in the state row: a load whose
COMMIT got no answer finds there whether it was applied.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse import merging
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Session
from cbm_etl_assets.warehouse.dialects.sqlserver_evolve import Evolution, Stored, read_stored, remembers, resource
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements, cursor_of, differs, iso, packed, same, unpacked
from cbm_etl_assets.warehouse.dialects.sqlserver_types import quote
from cbm_etl_assets.warehouse.port import ApplyRequest, Outcome, TableState
from cbm_etl_assets.warehouse.sql import Fragment, Value

if TYPE_CHECKING:
    import pyarrow as pa

SQL_BINARY = -2  # of ODBC's own numbering


@dataclass(frozen=True)
class StateRow:
    """The state, and what the last apply left beside it."""

    state: TableState
    outcome_seq: int = 0
    outcome_run_id: str = ""
    outcome: str = ""


def read_state(session: Session, statements: SqlServerStatements, table: str) -> StateRow:
    rows = session.rows(statements.render("staging/state", state=statements.state), [table])
    return state_row(rows[0]) if rows else StateRow(TableState(table))


def state_row(row: Sequence[object]) -> StateRow:
    table, issued, applied, full, watermark, token, hashed, seq, run_id, outcome = row
    moment = watermark if isinstance(watermark, dt.datetime) else None
    state = TableState(
        str(table), int(str(issued)), int(str(applied)), int(str(full)), moment, int(str(token)), unpacked(hashed)
    )  # fmt: skip
    return StateRow(state, int(str(seq)), str(run_id), str(outcome))


class SqlServerApply:
    """One merge. The session is the caller's; every batch in it ends with its transaction ended."""

    def __init__(
        self, session: Session, statements: SqlServerStatements, request: ApplyRequest, *, now: dt.datetime, lock_wait_ms: int
    ) -> None:
        self._session, self._statements, self._request = session, statements, request
        self._now, self._lock_wait_ms = now, lock_wait_ms
        self._target = statements.ident("ods", request.spec.name)
        self._staging = statements.ident("stg", request.staging.name)
        self._history = statements.ident("ods", f"{request.spec.name}_history")
        self._columns = statements.columns(request.spec.target_columns)

    def run(self) -> Outcome:
        """Raises: LostLockError, DuplicateKeyError, AccountingError, TransientWarehouseError, WarehouseError."""
        request = self._request
        found = read_state(self._session, self._statements, request.spec.name)
        if (found.outcome_seq, found.outcome_run_id) == (request.seq, request.run_id):
            return self._outcome(found.outcome)  # committed, only the answer was lost
        merging.refuse_lost_lock(request, found.state)
        stored = read_stored(self._session, self._statements, request.spec, request.staging.name)
        evolution = Evolution(self._statements, request, stored, self._lock_wait_ms).plan()
        state = evolution.run(self._session, found.state)
        text = "".join(self._parts(state, stored, evolution.retyped))
        self._fill_temporary()
        rows = self._session.rows(text, self._parameters(state))
        outcome = self._outcome(str(rows[0][0]) if rows else "")
        merging.refuse_unaccounted(request.spec, outcome)
        return outcome

    @staticmethod
    def _outcome(text: str) -> Outcome:
        """From `read=3 inserted=2 ...`."""
        return Outcome(**{name: int(count) for name, _, count in (word.partition("=") for word in text.split())})

    # -- the batch ------------------------------------------------------------------------------------------------

    def _parts(self, state: TableState, stored: Stored, retyped: set[str]) -> list[str]:
        """The texts that make up the batch, in order."""
        parts = [self._render("apply/begin", state=self._statements.state, lock_wait_ms=self._statements.number(self._lock_wait_ms))]
        if self._request.seq < state.last_full_seq:
            parts.append(self._render("apply/superseded"))
        elif self._request.mode == "sweep":
            parts += [self._render("apply/swept"), *self._deletions()]
        else:
            parts += [*self._merge(state, stored, retyped), *self._deletions()]
        if remembers(self._request):
            parts.append(self._remember())
        return [*parts, self._render("apply/end", state=self._statements.state)]

    def _merge(self, state: TableState, stored: Stored, retyped: set[str]) -> list[str]:
        request = self._request
        parts = self._deduplicate()
        if request.force:
            parts += self._take_out_misplaced()
        # A table that was just made holds no other version; one that is there is asked about the staged keys only.
        other = bool(stored.target) and bool(self._number("ods/other_version", [request.hash_version]))
        parts.append(self._classify(merging.comparison(request, state, retyped=retyped, other_version=other)))
        if request.spec.history:
            parts.append(self._render("apply/versions", history=self._history, cursor=Fragment(cursor_of(request.spec))))
            parts.append(self._render("apply/refresh_versions", history=self._history, assignments=self._assignments))
        return [*parts, self._render("apply/update", assignments=self._assignments), self._render("apply/insert")]

    def _deduplicate(self) -> list[str]:
        spec = self._request.spec
        rows = self._session.rows(self._render("ods/duplicates"))
        over, keys_over = int(rows[0][0]), int(rows[0][1])
        if not over:
            return []
        keys = self._statements.names(spec.key_targets or ["_key_hash"])
        merging.refuse_duplicates(spec, over, keys_over, self._session.rows(self._render("ods/duplicate_sample", keys=keys)))
        texts = {name for name, kind in spec.target_columns if kind.is_text}
        order = [f"{cursor_of(spec, '')} DESC"] if spec.cursor else []  # NULL sorts below every value
        order += ["_hashdiff", *map(quote, spec.key_targets)]
        # `=` takes 'a' and 'a ' for one: their length tells which comes first, every time.
        order += [f"DATALENGTH({quote(name)})" for name in spec.key_targets if name in texts]
        return [self._render("apply/deduplicate", order=Fragment(", ".join(order)))]

    def _take_out_misplaced(self) -> list[str]:
        """Rows no merge would ever meet: filed under another row's key, or standing beside the one row of their key."""
        parts = [self._render("apply/remove_repeated")]
        if self._keys and _has_rows(self._request.misfiled):
            parts.insert(0, self._render("apply/remove_misfiled", same=Fragment(same(self._keys, "o", "m"))))
        return parts

    def _classify(self, comparison: merging.Comparison) -> str:
        tests = ["o._hashdiff <> s._hashdiff"] if comparison.by_hash else []
        tests += [differs(self._typed(names)) for names in (comparison.values, comparison.respelled) if names]
        refreshed = ""
        if not comparison.by_hash:
            fresh = ["o._hashdiff <> s._hashdiff", "o._hash_version <> @hash_version"]
            fresh += [differs(self._typed(comparison.fresh))] if comparison.fresh else []
            refreshed = f"WHEN {' OR '.join(fresh)} THEN 'F'"
        return self._render("apply/classify", differs=Fragment(" OR ".join(tests) or "1 = 0"), refreshed=Fragment(refreshed))

    def _deletions(self) -> list[str]:
        if not _has_rows(self._request.deletions):
            return []
        closed = [self._render("apply/close_deleted", history=self._history)] if self._request.spec.history else []
        return [*closed, self._render("apply/tombstone")]

    def _remember(self) -> str:
        spec, statements = self._request.spec, self._statements
        return self._render(
            "apply/remember", recheck=statements.ident("stg", f"_cbm_recheck__{spec.name}"), keys=statements.columns(self._keys),
            cursor=Fragment(cursor_of(spec)),
        )  # fmt: skip

    def _parameters(self, state: TableState) -> list[object]:
        r = self._request
        return [
            r.spec.name, resource(r.spec.name), r.fencing_token, state.last_applied_seq, r.seq, r.run_id, iso(r.t0), iso(self._now),
            r.hash_version, int(r.mode in ("full", "sweep")), packed(merging.hash_columns_after(r, state, set())), iso(r.watermark),
            iso(r.recheck_since),
        ]  # fmt: skip

    def _fill_temporary(self) -> None:
        """Keys handed over by the caller, in tables of this session: a batch with parameters takes its own down with it."""
        request, statements = self._request, self._statements
        if request.deletions is not None and request.deletions.num_rows:
            self._session.run(statements.render("apply/gone_table"))
            rows = [(bytes(key),) for key in request.deletions.column("_key_hash").unique().to_pylist()]
            self._session.insert(statements.render("apply/gone_insert"), rows, [(SQL_BINARY, 32, 0)])
        if request.force and self._keys and request.misfiled is not None and request.misfiled.num_rows:
            definitions = statements.definitions([(n, statements.type_name(k)) for n, k in self._keys], request.spec.key_targets)
            self._session.run(statements.render("apply/misfiled_table", definitions=definitions))
            names = [*(n for n, _ in self._keys), "_key_hash"]
            places = Fragment(", ".join("?" * len(names)))
            columns = [request.misfiled.column(name).to_pylist() for name in names]
            text = statements.render("apply/misfiled_insert", columns=statements.columns(self._keys), places=places)
            for row in zip(*columns, strict=True):  # a handful, of any type: each value tells its own
                self._session.run(text, row)

    # -- lists and texts ------------------------------------------------------------------------------------------

    @property
    def _keys(self) -> list[tuple[str, LogicalType]]:
        return self._typed(self._request.spec.key_targets)

    def _typed(self, names: Sequence[str]) -> list[tuple[str, LogicalType]]:
        kinds = dict(self._request.spec.target_columns)
        return [(name, kinds[name]) for name in names]

    @property
    def _assignments(self) -> Fragment:
        return Fragment(", ".join(f"{quote(n)} = s.{quote(n)}" for n, _ in self._request.spec.target_columns))

    def _number(self, name: str, parameters: Sequence[object]) -> int:
        return self._session.number(self._render(name), parameters)

    def _render(self, name: str, **values: Value) -> str:
        common: dict[str, Value] = {"target": self._target, "staging": self._staging, "columns": self._columns}
        return self._statements.render(name, **(common | values))


def _has_rows(table: pa.Table | None) -> bool:
    return table is not None and table.num_rows > 0
