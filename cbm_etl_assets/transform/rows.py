"""RowTransform: one spec's way from raw batches to ODS-bound columns and hashes.

Order for a column: split the array, clean, type, mask. Hashes are taken over the result. Deterministic: the same raw
row gives the same output in whatever batch it arrives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from cbm_etl_assets.errors import ConversionError, NullKeyError
from cbm_etl_assets.metadata.spec import ColumnSpec, NonFinite, TableSpec
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.transform import convert
from cbm_etl_assets.transform.hashing import comparable_text, row_hash
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH, hash_columns, is_rename_only

if TYPE_CHECKING:
    import pyarrow as pa


class RowTransform:
    """Holds the plan of one table and counts what cleaning changed (`cleaned`: target column -> values)."""

    def __init__(self, spec: TableSpec, *, case_insensitive_keys: bool, unstorable: Collection[Unstorable] = ()) -> None:
        self.spec = spec
        self.unstorable = frozenset(unstorable)  # values the warehouse cannot hold: hashes of such rows are refused
        self.case_insensitive_keys = case_insensitive_keys
        self.cleaned: Counter[str] = Counter()

    @cached_property
    def is_rename_only(self) -> bool:
        return is_rename_only(self.spec)

    @cached_property
    def hash_columns(self) -> tuple[str, ...]:
        return hash_columns(self.spec)

    def columns(self, batch: pa.RecordBatch | pa.Table) -> pl.DataFrame:
        """Raw columns under source names -> ODS-bound columns under target names, in spec order.

        Raises: ConversionError.
        """
        names = [c.name for c in self.spec.kept_columns]
        frame = pl.DataFrame(pl.from_arrow(batch.select(names)))
        if self.is_rename_only:
            frame.columns = [c.target_name for c in self.spec.kept_columns]
            return frame
        series = [s for c in self.spec.kept_columns for s in self._column(c, frame.get_column(c.name))]
        return pl.DataFrame(series)

    def hashes(self, batch: pa.RecordBatch | pa.Table) -> tuple[pa.Array, pa.Array]:
        """(_key_hash, _hashdiff) of a raw batch, each fixed-size binary of 32 bytes.

        Without a key `_key_hash` repeats `_hashdiff`; staging replaces it by the occurrence key.
        Raises: ConversionError, NullKeyError.
        """
        return self.hashes_of(self.columns(batch))

    def hashes_of(self, frame: pl.DataFrame) -> tuple[pa.Array, pa.Array]:
        """As `hashes`, from ODS-bound columns."""
        import pyarrow as pa

        self._refuse_null_keys(frame)
        self._refuse_unstorable(frame)
        diff = row_hash([pl.col(c) for c in self.hash_columns]).alias(HASHDIFF)
        key = row_hash(self._key_expressions()).alias(KEY_HASH) if self.spec.primary_key else diff.alias(KEY_HASH)
        out = frame.select(key, diff)
        fixed = pa.binary(32)
        return tuple(out.get_column(c).to_arrow().cast(pa.binary()).cast(fixed) for c in (KEY_HASH, HASHDIFF))

    def key_hashes(self, batch: pa.RecordBatch | pa.Table) -> pa.Array:
        """`_key_hash` alone, from the key columns alone. Raises: ConversionError."""
        import pyarrow as pa

        frame = pl.DataFrame(pl.from_arrow(batch.select([c.name for c in self._keys])))
        series = [s for c in self._keys for s in self._column(c, frame.get_column(c.name))]
        hashed = pl.DataFrame(series).select(row_hash(self._key_expressions()).alias(KEY_HASH)).get_column(KEY_HASH)
        return hashed.to_arrow().cast(pa.binary()).cast(pa.binary(32))

    def _key_expressions(self) -> Sequence[pl.Expr]:
        return [comparable_text(c.target_name) if self._compares_loosely(c) else pl.col(c.target_name) for c in self._keys]

    @cached_property
    def _keys(self) -> tuple[ColumnSpec, ...]:
        return tuple(self.spec.column(k) for k in self.spec.primary_key)

    def _compares_loosely(self, column: ColumnSpec) -> bool:
        sensitive = (not self.case_insensitive_keys) if column.case_sensitive is None else column.case_sensitive
        return column.logical.is_text and not sensitive

    def _refuse_null_keys(self, frame: pl.DataFrame) -> None:
        for name in self.spec.key_targets:
            nulls = frame.get_column(name).null_count()
            if nulls:
                raise NullKeyError(
                    f"Table '{self.spec.name}': {nulls} rows have NULL in key column '{name}'.",
                    remedy="choose a key without NULLs in the spec, or filter those rows",
                )

    def _refuse_unstorable(self, frame: pl.DataFrame) -> None:
        for values in frame if self.unstorable else ():
            found = convert.unstorable(values, self.unstorable)
            if found is not None and found.any():
                raise ConversionError(f"Table '{self.spec.name}': column '{values.name}' holds a value the warehouse cannot store.")

    def _column(self, column: ColumnSpec, values: pl.Series) -> list[pl.Series]:
        parts = convert.split_elements(values, column.extent) if column.extent and column.explode else [values]
        return [self._value(column, name, part) for name, part in zip(column.target_names, parts, strict=True)]

    def _value(self, column: ColumnSpec, target: str, values: pl.Series) -> pl.Series:
        if column.clean:
            values, changed = convert.clean(values, column.clean)
            self.cleaned[target] += changed
        if not (column.extent and not column.explode):
            values = convert.to_type(values.alias(target), column.logical)
        if column.non_finite is NonFinite.QUARANTINE and convert.non_finite(values).any():
            raise ConversionError(f"Column '{column.name}' holds NaN or infinity, which `non_finite: quarantine` leaves out.")
        return convert.mask(values.alias(target), column.mask) if column.mask else values.alias(target)
