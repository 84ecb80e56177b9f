"""Staging: raw Parquet -> ODS-bound rows with `_key_hash` and `_hashdiff`, in bounded memory.

The hashes were taken by the reader while it fetched; here they travel along. Only a table without a key gets its
`_key_hash` here, because the occurrence number needs all rows of the load.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH
from cbm_etl_assets.warehouse.port import StagesFiles, StagingTable, Warehouse

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl
    import pyarrow as pa

    from cbm_etl_assets.pipeline.gate import RowGate
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
    gate: RowGate | None = None  # row rules: what they reject is not staged
    rows: int = 0
    left_out: int = 0
    seconds: float = 0.0
    preview: list[tuple[object, ...]] = field(default_factory=list)
    _seen: int = field(default=0, init=False)

    def stage(self, warehouse: Warehouse, staging: StagingTable, *, has_bad: bool, until_merged: ExitStack) -> None:
        """The raw files as they lie where the warehouse reads Parquet and no value or row differs from them, else batch by batch.

        `until_merged` keeps the files in place. Raises: CorruptRawFileError, ConversionError.
        """
        is_as_read = self.transform is None and self.spec.primary_key and self.manifest.files and not has_bad
        if not (is_as_read and isinstance(warehouse, StagesFiles) and self._stage_files(warehouse, staging, until_merged)):
            warehouse.load_staging(self.spec, staging, self.batches())

    def _stage_files(self, warehouse: StagesFiles, staging: StagingTable, until_merged: ExitStack) -> bool:
        paths = until_merged.enter_context(self.lake.files(self.manifest))
        if self.gate is not None and not self._judged_as_they_lie(self.gate, paths):
            return False
        files = [(path, file.rows) for path, file in zip(paths, self.manifest.files, strict=True)]
        staged = warehouse.stage_files(self.spec, staging, files)
        if staged is None:
            return False
        self.rows = staged
        self._look_into(paths)
        if self.on_rows:
            self.on_rows(self.rows, self.manifest.bytes)
        return True

    def _judged_as_they_lie(self, gate: RowGate, paths: list[Path]) -> bool:
        """The row rules on the columns they read and no others. False, the tallies forgotten, when a row must be left out."""
        import pyarrow.parquet as pq

        names = {target: c.name for c in self.spec.kept_columns for target in c.target_names if target in gate.reads}
        for path in paths:
            with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
                for batch in parquet.iter_batches(columns=list(names.values())):
                    if not gate.accepts(batch.select(list(names.values())).rename_columns(list(names))):
                        gate.restart()
                        return False
        return True

    def _look_into(self, paths: list[Path]) -> None:
        import pyarrow.parquet as pq

        for path in paths:
            with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
                for batch in parquet.iter_batches(batch_size=PREVIEW_ROWS, columns=[c.name for c in self.spec.kept_columns]):
                    self._look([name for name, _ in self.spec.target_columns], batch.columns)
                    break
            if len(self.preview) >= PREVIEW_ROWS:
                return

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yields: Arrow batches, ODS-bound columns in spec order, then `_key_hash`, `_hashdiff` (binary).

        Raises: CorruptRawFileError, ConversionError.
        """
        keys = self._occurrence_keys() if not self.spec.primary_key else None
        for raw in self.lake.read(self.manifest):
            started = time.perf_counter()
            loadable = self._loadable(raw)
            batch = self._convert(loadable, keys)
            self._seen += batch.num_rows
            batch = batch if self.gate is None else self.gate.passed(batch, loadable)
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
        key = raw.column(raw.schema.get_field_index(KEY_HASH)) if keys is None else keys.slice(self._seen, raw.num_rows)
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
