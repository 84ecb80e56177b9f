"""Keys on their way between ODS and the source: names, hashes, set difference, and the key-only form of a spec.

A key that ODS holds in another form (masked, cleaned, converted) names no row at the source: it is found there by its hash,
in one scan of all keys. Asked for by its ODS value its row would seem to be gone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.source.port import ExtractRequest, ReadRange, Source
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


def can_name_keys(spec: TableSpec) -> bool:
    """True when ODS key values name rows at the source: they are neither masked, cleaned nor converted."""
    keys = [spec.column(name) for name in spec.primary_key]
    return bool(keys) and not any(c.mask or c.clean or str(c.source_logical) != str(c.logical) for c in keys)


def named_keys(source: Source, spec: TableSpec, wanted: pa.Table) -> pa.Table:
    """The keys of `wanted` (target columns, `_key_hash`) as the source knows them: its names, and `_key_hash`.

    Where ODS values do not name them, those the source has: one scan of all keys. Raises: as Source.extract.
    """
    if can_name_keys(spec) or not wanted.num_rows:
        return source_keys(spec, wanted).append_column(KEY_HASH, wanted.column(KEY_HASH))
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    names = [*(spec.column(key).name for key in spec.primary_key), KEY_HASH]
    hashes = wanted.column(KEY_HASH).cast(pa.binary()).combine_chunks()
    with tempfile.TemporaryDirectory(prefix="cbm-keys-") as folder:
        found = source.extract(ExtractRequest(key_spec(spec), ReadRange(), Path(folder)))
        tables = (pq.read_table(Path(folder) / file.name, columns=names) for file in found.files)
        return pa.concat_tables([t.filter(pc.is_in(t.column(KEY_HASH).cast(pa.binary()), value_set=hashes)) for t in tables])


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
