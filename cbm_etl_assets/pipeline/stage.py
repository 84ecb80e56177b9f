"""Staging: raw Parquet -> ODS-bound rows with `_key_hash` and `_hashdiff`, in bounded memory.

The hashes were taken by the reader while it fetched; here they travel along. Only a table without a key gets its
`_key_hash` here, because the occurrence number needs all rows of the load.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

    from cbm_etl_assets.transform.rows import RowTransform

PREVIEW_ROWS = 10
MASKED = "***"


@dataclass
class StagedRows:
    """Iterate `batches()` once; afterwards the counters and the preview are complete. `left_out`: rows for the quarantine."""

    spec: TableSpec
    transform: RowTransform | None  # None: raw columns are the ODS columns under other names
    lake: Lake
    manifest: Manifest
    on_rows: Callable[[int, int], None] | None = None
    rows: int = 0
    left_out: int = 0
    seconds: float = 0.0
    preview: list[tuple[object, ...]] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields: Arrow batches, ODS-bound columns in spec order, then `_key_hash`, `_hashdiff` (binary).

        Raises: CorruptRawFileError, ConversionError.
        """
        keys = self._occurrence_keys() if not self.spec.primary_key else None
        for raw in self.lake.read(self.manifest):
            started = time.perf_counter()
            batch = self._convert(self._loadable(raw), keys)
            self.rows += batch.num_rows
            if self.on_rows:
                self.on_rows(self.rows, batch.nbytes)
            self.seconds += time.perf_counter() - started
            yield batch

    def _loadable(self, raw: pa.RecordBatch) -> pa.RecordBatch:
        """Without the rows the reader marked as bad: those that have no row hash."""
        marks = raw.column(raw.schema.get_field_index(HASHDIFF))
        if not marks.null_count:
            return raw
        self.left_out += marks.null_count
        return raw.filter(marks.is_valid())

    def _convert(self, raw: pa.RecordBatch, keys: pa.Array | None) -> pa.RecordBatch:
        import pyarrow as pa

        names = [name for name, _ in self.spec.target_columns]
        if self.transform is None:
            columns = [raw.column(raw.schema.get_field_index(c.name)) for c in self.spec.kept_columns]
        else:
            frame = self.transform.columns(raw)
            columns = [_plain_arrow(frame.get_column(name)) for name in names]
        self._look(names, columns)
        key = raw.column(raw.schema.get_field_index(KEY_HASH)) if keys is None else keys.slice(self.rows, raw.num_rows)
        hashes = [key, raw.column(raw.schema.get_field_index(HASHDIFF))]
        return pa.RecordBatch.from_arrays([*columns, *(h.cast(pa.binary()) for h in hashes)], names=[*names, KEY_HASH, HASHDIFF])

    def _occurrence_keys(self) -> pa.Array:
        import polars as pl
        import pyarrow as pa

        from cbm_etl_assets.transform.hashing import occurrence_keys

        hashes = [batch.column(batch.schema.get_field_index(HASHDIFF)).cast(pa.binary()) for batch in self.lake.read(self.manifest)]
        hashes = [column.drop_null() for column in hashes]
        series = pl.Series(HASHDIFF, pa.chunked_array(hashes, type=pa.binary()), dtype=pl.Binary)
        return occurrence_keys(series).to_arrow().cast(pa.binary())

    def _look(self, names: list[str], columns: list[pa.Array]) -> None:
        missing = PREVIEW_ROWS - len(self.preview)
        if missing <= 0:
            return
        masked = {name for c in self.spec.kept_columns if c.mask for name in c.target_names}
        shown = [
            [MASKED if name in masked and value is not None else value for value in column.slice(0, missing).to_pylist()]
            for name, column in zip(names, columns, strict=True)
        ]
        self.preview += zip(*shown, strict=True)


def _plain_arrow(series: pl.Series) -> pa.Array:
    """Text as string, not string view: the Arrow readers of all warehouses take it."""
    import polars as pl

    return series.to_arrow(compat_level=pl.CompatLevel.oldest())
