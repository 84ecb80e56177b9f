"""Keys on their way between ODS and the source: names, hashes, set difference, and the key-only form of a spec."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.transform.names import KEY_HASH

if TYPE_CHECKING:
    import pyarrow as pa


def key_spec(spec: TableSpec, *, with_cursor: bool = False) -> TableSpec:
    """The same table, its key columns only: for sweeps and probes. The key hash is the same by construction.

    `with_cursor` keeps the cursor and its columns too, for the keys of a range.
    """
    keys = {key.lower() for key in spec.primary_key}
    cursor = spec.cursor.model_copy(update={"time_column": None}) if spec.cursor and with_cursor else None
    keys |= {name.lower() for name in cursor.columns} if cursor else set()
    columns = [c.model_dump() for c in spec.columns if c.name.lower() in keys]
    split = spec.split.model_dump() if spec.split and spec.split.column.lower() in keys else None
    fields = spec.model_dump(exclude={"columns"}) | {
        "cursor": cursor and cursor.model_dump(), "partition": None, "split": split, "history": False, "quality": [],
    }  # fmt: skip
    # Validated anew: model_copy would carry the cached column lists of the whole spec along.
    return TableSpec.model_validate(fields | {"columns": columns})


def source_keys(spec: TableSpec, keys: pa.Table) -> pa.Table:
    """ODS keys (target columns) under the names the source knows."""
    names = {spec.column(key).target_name: spec.column(key).name for key in spec.primary_key}
    return keys.select(list(names)).rename_columns(list(names.values()))


def hashes_in(folder: Path, files: Sequence[RawFile]) -> pa.Array:
    """`_key_hash` of every row of these raw files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [pq.read_table(folder / f.name, columns=[KEY_HASH]).column(0).cast(pa.binary()) for f in files]
    chunks = [chunk for column in columns for chunk in column.chunks]
    return pa.chunked_array(chunks, type=pa.binary()).combine_chunks()


def without(keys: pa.Table, present: pa.Array) -> pa.Table:
    """The keys whose hash is not among `present`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    return keys.filter(pc.invert(pc.is_in(keys.column(KEY_HASH).cast(pa.binary()), value_set=present)))
