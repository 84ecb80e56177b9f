"""How one table travels between two warehouses: which columns, under which names in staging, in which types.

Its technical columns travel as ordinary ones, so that the staging load of every dialect carries them. Pure: specs and Arrow in,
specs and Arrow out. The order of the steps is `pipeline.move`; a dialect writes what was staged (`Movable.take_over`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.errors import LostLockError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind, LogicalType, Unstorable
from cbm_etl_assets.warehouse.port import Part, Transfer

if TYPE_CHECKING:
    import pyarrow as pa

HASHES = ("_key_hash", "_hashdiff")
_WHOLE, _BIG, _MOMENT = LogicalType(Kind.INTEGER), LogicalType(Kind.BIGINT), LogicalType(Kind.TIMESTAMP)
_RUN_ID = LogicalType(Kind.VARCHAR, width=200)
_BOTH = (("_hash_version", _WHOLE), ("_load_seq", _BIG), ("_extracted_at", _MOMENT), ("_run_id", _RUN_ID))
STAMPS: Mapping[Part, tuple[tuple[str, LogicalType], ...]] = {
    Part.CURRENT: (*_BOTH, ("_updated_at", _MOMENT), ("_is_deleted", LogicalType(Kind.BOOLEAN)), ("_deleted_at", _MOMENT)),
    Part.HISTORY: (*_BOTH, ("_valid_from", _MOMENT), ("_valid_to", _MOMENT)),
    Part.RECHECK: (),
}


def table_of(table: str, part: Part) -> tuple[str, str]:
    """Schema and name of the table that holds a part."""
    names = {Part.CURRENT: ("ods", table), Part.HISTORY: ("ods", f"{table}_history"), Part.RECHECK: ("stg", f"_cbm_recheck__{table}")}
    return names[part]


def stored_spec(spec: TableSpec, stored: Mapping[str, pa.DataType], *, history: bool) -> TableSpec:
    """The table as a warehouse holds it, which may be more columns and wider types than the spec says; key and cursor are the spec's."""
    declared = dict(spec.target_columns)
    columns = [(name, logical_type(held, declared.get(name))) for name, held in stored.items()]
    cursor = [spec.column(c).target_name for c in spec.cursor.columns] if spec.cursor else []
    fields: dict[str, Any] = {
        "table": spec.table, "target": spec.name, "primary_key": spec.key_targets, "history": history,
        "cursor": {"columns": cursor} if cursor and set(cursor) <= set(stored) else None,
        "columns": [{"name": name, "target": name, "type": str(kind)} for name, kind in columns],
    }  # fmt: skip
    return TableSpec.model_validate(fields)


def cargo_spec(stored: TableSpec, part: Part) -> TableSpec:
    """The columns of a part's staging table, before `_key_hash` and `_hashdiff`."""
    kept = [c for c in stored.target_columns if part is not Part.RECHECK or c[0] in stored.key_targets]
    columns = [*kept, *((_in_staging(name), kind) for name, kind in STAMPS[part])]
    named = [{"name": name, "target": name, "type": str(kind)} for name, kind in columns]
    return TableSpec.model_validate({"table": stored.table, "target": stored.name, "columns": named})


@dataclass(frozen=True)
class Fill:
    """One INSERT ... SELECT: columns of the table, and those of staging that go into them."""

    schema: str
    table: str
    staging: str
    into: tuple[str, ...]
    picked: tuple[str, ...]


def fills(transfer: Transfer) -> list[Fill]:
    found = []
    for part, staging in transfer.staged.items():
        schema, table = table_of(transfer.spec.name, part)
        found.append(Fill(schema, table, staging.name, stored_columns(transfer.spec, part), _picked(transfer.spec, part)))
    return found


def stored_columns(stored: TableSpec, part: Part) -> tuple[str, ...]:
    """The columns of a part as its warehouse names them, in the order of its staging table."""
    if part is Part.RECHECK:
        return (*stored.key_targets, "_key_hash")
    return (*(name for name, _ in stored.target_columns), *(name for name, _ in STAMPS[part]), *HASHES)


def _picked(stored: TableSpec, part: Part) -> tuple[str, ...]:
    names = tuple(name for name, _ in cargo_spec(stored, part).target_columns)
    return (*names, "_key_hash") if part is Part.RECHECK else (*names, *HASHES)


def _in_staging(name: str) -> str:
    return f"cbm{name}"


def as_cargo(batch: pa.RecordBatch, cargo: TableSpec) -> pa.RecordBatch:
    """A batch of `stored_columns` under the names and in the types of staging."""
    import pyarrow as pa

    kinds = [(name, kind.arrow()) for name, kind in cargo.target_columns] + [(name, pa.binary()) for name in HASHES]
    held = [*batch.columns, batch.column("_key_hash")][: len(kinds)]  # remembered keys have no `_hashdiff`: any 32 bytes will do
    columns = [column if column.type == kind else column.cast(kind) for column, (_, kind) in zip(held, kinds, strict=True)]
    return pa.RecordBatch.from_arrays(columns, names=[name for name, _ in kinds])


def refuse_unstorable(batch: pa.RecordBatch, cargo: TableSpec, unstorable: Collection[Unstorable]) -> None:
    """Raises: WarehouseError naming the column of a text the other warehouse cannot hold. (NaN: SQL Server's own check of a batch.)"""
    import pyarrow.compute as pc

    if Unstorable.NUL_TEXT not in unstorable:
        return
    for name, kind in cargo.target_columns:
        if kind.is_text and pc.any(pc.match_substring(batch.column(name), "\0")).as_py():
            raise WarehouseError(
                f"Table '{cargo.name}': column '{name}' holds a text with the character U+0000, which the other warehouse cannot store.",
                remedy="correct those rows at the source and load them, then copy the table again; nothing was changed",
            )


def logical_type(held: pa.DataType, declared: LogicalType | None = None) -> LogicalType:
    """What a stored column is. The spec knows widths no Arrow type tells; it is asked where it says the same kind."""
    import pyarrow as pa

    if pa.types.is_decimal(held):
        return LogicalType(Kind.DECIMAL, precision=held.precision, scale=held.scale)
    if pa.types.is_timestamp(held):
        return LogicalType(Kind.TIMESTAMPTZ if held.tz else Kind.TIMESTAMP)
    kind = next((kind for is_one, kind in _kinds() if is_one(held)), Kind.VARCHAR)
    return declared if declared is not None and declared.kind is kind else LogicalType(kind)


def _kinds() -> tuple[tuple[Any, Kind], ...]:
    from pyarrow import types

    return (
        (types.is_int64, Kind.BIGINT), (types.is_integer, Kind.INTEGER), (types.is_floating, Kind.DOUBLE), (types.is_boolean, Kind.BOOLEAN),
        (types.is_date, Kind.DATE), (types.is_time, Kind.TIME), (types.is_binary, Kind.BINARY), (types.is_large_binary, Kind.BINARY),
    )  # fmt: skip


def refuse_lost_lock(transfer: Transfer, found_token: int) -> None:
    if found_token != transfer.fencing_token:
        raise LostLockError(
            f"Table '{transfer.spec.name}': another run took it over (token {found_token}, ours {transfer.fencing_token}).",
            remedy="nothing was changed; copy the table again when that run has ended",
        )
