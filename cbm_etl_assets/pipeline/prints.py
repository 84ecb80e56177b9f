"""What a warehouse holds of one table, as fingerprints: rows, the set of keys, every column, technical ones too.

Owns reading a table back in batches and the comparison of two such readings. The arithmetic is `pipeline.digests`, as for a
certificate; here both sides are warehouses, and tombstones and history count. Memory: one batch, whatever the table's size.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.naming import TECHNICAL_COLUMNS
from cbm_etl_assets.pipeline.digests import BATCH_CELLS, KEY, Tally, key_words, tally_columns
from cbm_etl_assets.warehouse.moving import as_cargo, cargo_spec, stored_columns, stored_spec, table_of
from cbm_etl_assets.warehouse.port import Movable, Part, TableState, Warehouse

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec

_MASK = (1 << 64) - 1
_HISTORY_SEED = 7
EXTRACTED_AT = "cbm_extracted_at"


@dataclass
class Print:
    """One part. `keys`: the sum of its keys' digests, each version of a key counted."""

    rows: int = 0
    keys: int = 0
    columns: dict[str, Tally] = field(default_factory=dict)


@dataclass(frozen=True)
class Holding:
    """One table in one warehouse. `spec`: as it is stored there; None where it was never loaded."""

    state: TableState
    spec: TableSpec | None = None
    prints: Mapping[Part, Print] = field(default_factory=dict)

    @property
    def newest_read(self) -> dt.datetime | None:
        """The latest `_extracted_at` of its rows."""
        found = self.prints.get(Part.CURRENT, Print()).columns.get(EXTRACTED_AT)
        return found.maximum if found else None


def movable(warehouse: Warehouse) -> Movable:
    """Raises: ConfigurationError for a kind whose tables cannot move."""
    if not isinstance(warehouse, Movable):
        raise ConfigurationError(f"A warehouse of kind '{warehouse.name}' cannot take part in a copy.")
    return warehouse


def stored(warehouse: Warehouse, spec: TableSpec) -> TableSpec | None:
    """The table as that warehouse stores it; None where there is none."""
    names = [name for name in warehouse.columns(spec.name) if name not in TECHNICAL_COLUMNS]
    if not names:
        return None
    schema = warehouse.schema(spec.name, names)
    has_history = bool(warehouse.columns(f"{spec.name}_history"))
    return stored_spec(spec, {name: schema.field(name).type for name in names}, history=has_history)


def parts(held: TableSpec) -> tuple[Part, ...]:
    found = [Part.CURRENT, *([Part.HISTORY] if held.history else [])]
    return (*found, Part.RECHECK) if held.cursor and held.primary_key else tuple(found)


def cargo(warehouse: Warehouse, held: TableSpec, part: Part) -> Iterator[pa.RecordBatch]:
    """Yields: the rows of one part, laid out for staging. Raises: WarehouseError."""
    laid_out = cargo_spec(held, part)
    if part is Part.RECHECK:
        yield from (as_cargo(batch, laid_out) for batch in warehouse.recheck_keys(held).to_batches())
        return
    columns = stored_columns(held, part)
    rows = max(1, BATCH_CELLS // len(columns))
    with closing(movable(warehouse).rows(table_of(held.name, part)[1], columns, rows)) as batches:
        for batch in batches:
            yield as_cargo(batch, laid_out)


def holding(warehouse: Warehouse, spec: TableSpec, like: TableSpec | None = None) -> Holding:
    """Everything that warehouse holds of a table; `like`: read the columns and types of another warehouse's."""
    state = warehouse.state(spec.name)
    held = stored(warehouse, spec) if state.last_applied_seq else None
    if held is None:
        return Holding(state)
    read = held if like is None or not _covers(held, like) else like
    return Holding(state, read, {part: _print(cargo(warehouse, read, part), part) for part in parts(read)})


def _covers(held: TableSpec, like: TableSpec) -> bool:
    names = {name for name, _ in held.target_columns}
    return names.issuperset(name for name, _ in like.target_columns) and held.history >= like.history


def differences(one: Holding, other: Holding) -> list[str]:
    """What is not the same, in words; nothing = equal."""
    found = [
        f"{name} is {getattr(one.state, name)} and {getattr(other.state, name)}"
        for name in ("last_applied_seq", "last_full_seq", "watermark", "hash_columns")
        if getattr(one.state, name) != getattr(other.state, name)
    ]
    for part in Part:
        found += _part_differences(part, one.prints.get(part), other.prints.get(part))
    return found


def _part_differences(part: Part, one: Print | None, other: Print | None) -> list[str]:
    if one is None or other is None:
        return [] if one is other else [f"{part} is there in one of them only"]
    if one.rows != other.rows:
        return [f"{part} has {one.rows} and {other.rows} rows"]
    if one.keys != other.keys:
        return [f"{part} has other keys"]
    names = [name for name, tally in one.columns.items() if not _same(tally, other.columns.get(name, Tally()))]
    return [f"{part} differs in {', '.join(names)}"] if names else []


def _same(one: Tally, other: Tally) -> bool:
    """NaN, which is the least and greatest value of a column of NaN, is itself here."""
    pairs = ((one.minimum, other.minimum), (one.maximum, other.maximum))
    alike = all(a == b or (a != a and b != b) for a, b in pairs)
    return alike and (one.nulls, one.total, one.fingerprint) == (other.nulls, other.total, other.fingerprint)


def _print(batches: Iterable[pa.RecordBatch], part: Part) -> Print:
    found = Print()
    for batch in batches:
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch])))
        words = frame.select(key_words("_key_hash"))
        key = words.get_column(KEY[0])
        if part is Part.HISTORY:  # a value belongs to its version, not to any version of its key
            key = frame.select(key.alias("k") ^ pl.col("cbm_valid_from").hash(_HISTORY_SEED)).to_series()
        for name in frame.columns:
            found.columns.setdefault(name, Tally())
        found.rows += frame.height
        found.keys = (found.keys + sum(int(words.get_column(name).sum()) for name in KEY)) & _MASK
        tally_columns(frame, key, found.columns)
    return found
