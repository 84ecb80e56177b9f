"""The two sides of a comparison as frames of the same columns and types: source rows just read, ODS rows read back.

Owns the reading in batches and the common types. ODS never holds a narrower type than the spec (columns are only widened),
so source values are cast to its types and nothing is lost. Judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from cbm_etl_assets.errors import ConversionError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.digests import BATCH_CELLS, DIGEST_SCHEMA, KEY, STORED_KEY, Digester
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH
from cbm_etl_assets.transform.rows import RowTransform


@dataclass(frozen=True)
class Sides:
    """One table. Every frame has the target columns in spec order; those of ODS `_stored_key_hash` too."""

    platform: Platform
    spec: TableSpec

    @cached_property
    def transform(self) -> RowTransform:
        return self.platform.transform(self.spec)

    @cached_property
    def digester(self) -> Digester:
        return Digester(self.transform, self.platform.settings.source.timezone)

    @cached_property
    def schema(self) -> pl.Schema:
        """Types as ODS holds them. Raises: WarehouseError where the table was never loaded, or lacks a column of the spec."""
        return pl.DataFrame(pl.from_arrow(self.platform.warehouse.schema(self.spec.name, self.names).empty_table())).drop(KEY_HASH).schema

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.spec.target_columns]

    def source(self, files: Sequence[Path]) -> Iterator[pl.DataFrame]:
        """Yields: rows of raw files that can be loaded, as they are bound for ODS. Raises: ConversionError."""
        columns = [*(c.name for c in self.spec.kept_columns), HASHDIFF]
        for path in files:
            with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
                for batch in parquet.iter_batches(self._batch_rows, columns=columns):
                    loadable = batch.filter(batch.column(HASHDIFF).is_valid())  # the others are the quarantine's
                    yield self._as_ods(self.transform.columns(loadable))

    def ods(self) -> Iterator[pl.DataFrame]:
        """Yields: live rows, from one snapshot. Raises: WarehouseError."""
        with closing(self.platform.warehouse.live(self.spec.name, self.names, self._batch_rows)) as batches:
            for batch in batches:
                yield pl.DataFrame(pl.from_arrow(pa.Table.from_batches([batch]))).rename({KEY_HASH: STORED_KEY})

    def chosen(self, frames: Iterator[pl.DataFrame], wanted: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key is among `wanted` (k1, k2), with their digests beside them."""
        found = [frame.hstack(self.digester.digest(frame)).join(wanted.select(KEY), on=KEY, how="semi") for frame in frames]
        kept = [frame.select(*self.names, *KEY, "d1", "d2", "c", pl.col(f"^{STORED_KEY}$")) for frame in found if frame.height]
        return pl.concat(kept) if kept else self.no_rows()

    def no_rows(self) -> pl.DataFrame:
        return pl.DataFrame(schema=pl.Schema({**self.schema, **DIGEST_SCHEMA}))

    def key_table(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The keys of these rows: target columns and `_key_hash`, taken anew."""
        key, _ = self.transform.hashes_of(rows.select(self.names))
        return rows.select(self.spec.key_targets).with_columns(pl.Series(KEY_HASH, pl.from_arrow(key), dtype=pl.Binary))

    def misfiled(self, ods: pl.DataFrame) -> pl.DataFrame:
        """Rows of ODS that stand under another row's `_key_hash`: their key, and that hash."""
        if STORED_KEY not in ods.columns or not self.spec.primary_key:
            return pl.DataFrame()
        stored = self.key_table(ods).with_columns(ods.get_column(STORED_KEY).cast(pl.Binary).alias("stored"))
        wrong = stored.filter(pl.col("stored") != pl.col(KEY_HASH))
        return wrong.select(*self.spec.key_targets, pl.col("stored").alias(KEY_HASH))

    @property
    def _batch_rows(self) -> int:
        return max(1, BATCH_CELLS // max(1, len(self.names)))

    def _as_ods(self, frame: pl.DataFrame) -> pl.DataFrame:
        try:
            return frame.cast(self.schema, strict=True)
        except pl.exceptions.PolarsError as error:
            raise ConversionError(
                f"Table '{self.spec.name}': values of the source do not fit the types of ODS: {str(error).splitlines()[0]}",
                remedy=f"cbm-etl run {self.spec.name} --mode full widens ODS, or names the column that cannot be",
            ) from None
