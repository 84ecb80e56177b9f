"""The merge's decisions that no dialect may make otherwise: what is compared, which hashes can be believed, what may widen.

Pure: requests, states and types in, plain data and typed errors out. A dialect writes the statements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cbm_etl_assets.errors import AccountingError, DuplicateKeyError, LostLockError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind, LogicalType
from cbm_etl_assets.warehouse.port import ApplyRequest, Capabilities, Outcome, TableState

GONE, OTHER_TYPE, IN_PART = "-", "~", "+"  # before a name in _cbm_state.hash_columns
MARKS = (GONE, OTHER_TYPE, IN_PART)
TECHNICAL_OF_ODS = 9  # _key_hash to _deleted_at; the history table has one less
LONGEST_AROUND = "_cbm_recheck__"  # the longest name the platform makes of a table's: staging takes `__<seq>`, history `_history`

_WIDER = {
    Kind.INTEGER: (Kind.BIGINT, Kind.DOUBLE, Kind.VARCHAR), Kind.BIGINT: (Kind.VARCHAR,), Kind.DATE: (Kind.TIMESTAMP,),
}  # fmt: skip
_WHOLE_DIGITS = {Kind.INTEGER: 10, Kind.BIGINT: 19}


@dataclass(frozen=True)
class Comparison:
    """How a staged row is held against the ODS row of its key.

    updated: the row hashes differ (`by_hash`), or a value of `values`, or the spelling of a key of `respelled`.
    refreshed (only where not `by_hash`): not updated, but the stored hash, its version or a value of `fresh` is another.
    """

    by_hash: bool
    values: tuple[str, ...]
    fresh: tuple[str, ...]
    respelled: tuple[str, ...]


def comparison(request: ApplyRequest, state: TableState, *, retyped: set[str], other_version: bool) -> Comparison:
    """Where the stored hash was taken over other columns, or by another version, values decide. `force`: values decide as well."""
    spec = request.spec
    respelled = tuple(spec.column(k).target_name for k in spec.primary_key if spec.column(k).logical.is_text)
    if request.force:
        return Comparison(True, request.hash_columns, (), respelled)
    known = {c.removeprefix(OTHER_TYPE) for c in state.hash_columns}
    is_other = set(state.hash_columns) != set(request.hash_columns) or bool(retyped)
    if not ((known and is_other) or other_version):
        return Comparison(True, (), (), respelled)
    common = tuple(c for c in request.hash_columns if not known or c in known)
    # A column renamed in its place in the order of the hash leaves the hash as it was: its values are looked at too.
    return Comparison(False, common, tuple(c for c in request.hash_columns if c not in common), respelled)


def hash_columns_after(request: ApplyRequest, state: TableState, retyped: set[str]) -> tuple[str, ...]:
    """The columns stored hashes are taken over from now on: a full load decides, any other only marks what changed.

    One that is gone must not pass for known should it come back, nor one of another type for the same: both wait for a full read.
    """
    return after_part(request, state.hash_columns, retyped) if request.mode != "full" and state.hash_columns else request.hash_columns


def after_part(request: ApplyRequest, known: tuple[str, ...], retyped: set[str]) -> tuple[str, ...]:
    """The same after a load that was not full. Some rows have a hash over a column that came: should it go again before a full read,
    their hashes are not those of the others."""
    present = {name for name, _ in request.spec.target_columns}

    def mark(column: str) -> str:
        if column in retyped:
            return OTHER_TYPE + column
        return column if column.startswith(MARKS) or column in present else GONE + column

    bare = {column.lstrip("".join(MARKS)) for column in known}
    return (*map(mark, known), *(IN_PART + column for column in request.hash_columns if column not in bare))


def refuse_lost_lock(request: ApplyRequest, state: TableState) -> None:
    if state.fencing_token != request.fencing_token:
        raise LostLockError(
            f"Table '{request.spec.name}': another run took it over (token {state.fencing_token}, ours {request.fencing_token}).",
            remedy="nothing was written; the other run's result stands",
        )


def refuse_lost_rows(spec: TableSpec, staged: int | None, left: int) -> None:
    """`staged`: rows `load_staging` wrote, None when another process did. Unlogged staging is empty after a crash of its server,
    and a merge of nothing would move the watermark over rows that were never loaded."""
    if staged is not None and left != staged:
        raise WarehouseError(
            f"Table '{spec.name}': {staged} rows were staged and {left} are left; the server crashed in between.",
            remedy="nothing was changed; run the load again",
        )


def refuse_unaccounted(spec: TableSpec, outcome: Outcome) -> None:
    if outcome.read != outcome.accounted:
        raise AccountingError(f"Table '{spec.name}': {outcome.read} rows read, {outcome.accounted} accounted for: {outcome}.")


def refuse_duplicates(spec: TableSpec, over: int, keys_over: int, sample: Sequence[Sequence[object]]) -> None:
    """`over`: rows that stand beside another row of their key; `sample`: values of such keys."""
    if over <= spec.duplicate_keys_max:
        return
    masked = {c.target_name for c in spec.kept_columns if c.mask}
    rows = [tuple("***" if name in masked else value for name, value in zip(spec.key_targets, row, strict=True)) for row in sample]
    shown = ", ".join(str(row[0] if len(row) == 1 else row) for row in rows)
    raise DuplicateKeyError(
        f"Table '{spec.name}': {', '.join(spec.key_targets)} is not a key: {keys_over} keys stand on more than one row, "
        f"{over} rows too many (limit {spec.duplicate_keys_max}). For instance {shown}.",
        remedy="choose a unique primary_key in the spec, or raise duplicate_keys_max",
    )


def refuse_what_does_not_fit(spec: TableSpec, capabilities: Capabilities, kind: str) -> None:
    """Names and columns past the warehouse's limits, before anything is read. Names are never cut: two might become one."""
    longest = capabilities.max_identifier_chars
    wrong = [name for name, _ in spec.target_columns if len(name) > longest]
    if wrong:
        raise WarehouseError(
            f"Table '{spec.name}': column '{wrong[0]}' has {len(wrong[0])} characters; a {kind} name has at most {longest}.",
            remedy="give the column a shorter `target` in its spec",
        )
    if len(spec.name) > longest - len(LONGEST_AROUND):
        raise WarehouseError(
            f"Table '{spec.name}' has {len(spec.name)} characters; with what the platform adds ({LONGEST_AROUND}...) "
            f"a {kind} name takes {longest - len(LONGEST_AROUND)}.",
            remedy="give the table a shorter `target` in its spec",
        )
    columns = len(spec.target_columns) + TECHNICAL_OF_ODS
    if columns > capabilities.max_columns:
        raise WarehouseError(
            f"Table '{spec.name}' has {columns} columns with the technical ones; a {kind} table takes {capabilities.max_columns}.",
            remedy="mark columns nobody needs with `exclude: true`, keep arrays as text (`explode: false`), or declare two tables",
        )


def widens(stored: LogicalType, wanted: LogicalType) -> bool:
    """True when every value of the stored type is, unchanged, a value of the wanted one."""
    if wanted.kind is Kind.DECIMAL:
        digits, scale = (wanted.precision or 0) - (wanted.scale or 0), wanted.scale or 0
        if stored.kind is Kind.DECIMAL:
            return scale >= (stored.scale or 0) and digits >= (stored.precision or 0) - (stored.scale or 0)
        return stored.kind in _WHOLE_DIGITS and digits >= _WHOLE_DIGITS[stored.kind]
    return wanted.kind in _WIDER.get(stored.kind, ())


def fits_into(stored: LogicalType, wanted: LogicalType) -> bool:
    """True when ODS already holds the wider type, so the spec's values go in as they are."""
    return widens(wanted, stored)


def refuse_other_type(table: str, column: str, stored: str, wanted: str) -> None:
    raise WarehouseError(
        f"Table '{table}': column '{column}' is {stored} in ODS and {wanted} in the spec; the one does not fit the other.",
        remedy="keep the old type in the spec, or give the column a new `target` name",
    )


def changes_hash(stored: LogicalType, wanted: LogicalType) -> bool:
    """Row hashes are neutral to the width of integers and the scale of decimals, not to other changes of type."""
    return stored.kind is not wanted.kind and {stored.kind, wanted.kind} != {Kind.INTEGER, Kind.BIGINT}
