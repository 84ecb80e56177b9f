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
from cbm_etl_assets.transform.rows import HASHDIFF, KEY_HASH, RowTransform

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

PREVIEW_ROWS = 10
MASKED = "***"


@dataclass
class StagedRows:
    """Iterate `batches()` once; afterwards the counters and the preview are complete."""

    spec: TableSpec
    transform: RowTransform
    lake: Lake
    manifest: Manifest
    on_rows: Callable[[int, int], None] | None = None
    rows: int = 0
    seconds: float = 0.0
    preview: list[tuple[object, ...]] = field(default_factory=list)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields: Arrow batches, ODS-bound columns in spec order, then `_key_hash`, `_hashdiff` (binary).

        Raises: CorruptRawFileError, ConversionError.
        """
        keys = self._occurrence_keys() if not self.spec.primary_key else None
        for raw in self.lake.read(self.manifest):
            started = time.perf_counter()
            batch = self._convert(raw, keys)
            self.rows += batch.num_rows
            if self.on_rows:
                self.on_rows(self.rows, batch.nbytes)
            self.seconds += time.perf_counter() - started
            yield batch

    def _convert(self, raw: pa.RecordBatch, keys: pa.Array | None) -> pa.RecordBatch:
        import pyarrow as pa

        names = [name for name, _ in self.spec.target_columns]
        if self.transform.is_rename_only:
            columns = [raw.column(raw.schema.get_field_index(c.name)) for c in self.spec.kept_columns]
            if len(self.preview) < PREVIEW_ROWS:
                self._look(self.transform.columns(raw.slice(0, PREVIEW_ROWS)))
        else:
            frame = self.transform.columns(raw)
            self._look(frame)
            columns = [_plain_arrow(frame.get_column(name)) for name in names]
        key = raw.column(raw.schema.get_field_index(KEY_HASH)) if keys is None else keys.slice(self.rows, raw.num_rows)
        hashes = [key, raw.column(raw.schema.get_field_index(HASHDIFF))]
        return pa.RecordBatch.from_arrays([*columns, *(h.cast(pa.binary()) for h in hashes)], names=[*names, KEY_HASH, HASHDIFF])

    def _occurrence_keys(self) -> pa.Array:
        import polars as pl
        import pyarrow as pa

        from cbm_etl_assets.transform.hashing import occurrence_keys

        hashes = [batch.column(batch.schema.get_field_index(HASHDIFF)).cast(pa.binary()) for batch in self.lake.read(self.manifest)]
        series = pl.Series(HASHDIFF, pa.chunked_array(hashes, type=pa.binary()), dtype=pl.Binary)
        return occurrence_keys(series).to_arrow().cast(pa.binary())

    def _look(self, frame: pl.DataFrame) -> None:
        missing = PREVIEW_ROWS - len(self.preview)
        if missing <= 0:
            return
        masked = {name for c in self.spec.kept_columns if c.mask for name in c.target_names}
        for row in frame.head(missing).iter_rows():
            self.preview.append(
                tuple(MASKED if name in masked and value is not None else value for name, value in zip(frame.columns, row, strict=True))
            )


def _plain_arrow(series: pl.Series) -> pa.Array:
    """Text as string, not string view: the Arrow readers of all warehouses take it."""
    import polars as pl

    return series.to_arrow(compat_level=pl.CompatLevel.oldest())
