"""Is a batch what its staging table takes? Types as declared, texts no longer than their column, no value SQL Server lacks.

Checked here because the bulk copy's own error names no column. Pure: Arrow in, Arrow out.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import ConversionError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind, LogicalType
from cbm_etl_assets.warehouse.dialects.sqlserver_types import MAX_NVARCHAR, MAX_VARBINARY, parts, text_type, type_name, width_of

if TYPE_CHECKING:
    import pyarrow as pa

HASHES = ("_key_hash", "_hashdiff")
_FIRST, _LAST = dt.date(1, 1, 1), dt.date(9999, 12, 31)


@dataclass(frozen=True)
class TooWide:
    """`needed`: UTF-16 units of a text, bytes of a binary."""

    column: str
    needed: int


@dataclass
class Fitting:
    """The columns of one staging table; `spelled` follows as they are widened."""

    table: str
    columns: tuple[tuple[str, LogicalType], ...]
    spelled: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: TableSpec) -> Fitting:
        return cls(spec.name, spec.target_columns, {name: type_name(kind) for name, kind in spec.target_columns})

    def types(self) -> list[tuple[str, str]]:
        return list(self.spelled.items())

    @cached_property
    def schema(self) -> pa.Schema:
        import pyarrow as pa

        fields = [pa.field(name, kind.arrow()) for name, kind in self.columns]
        return pa.schema([*fields, *(pa.field(name, pa.binary()) for name in HASHES)])

    def too_wide(self, batch: pa.RecordBatch) -> TooWide | None:
        """The first column whose longest value does not fit."""
        for name, spelled in self.spelled.items():
            limit = width_of(spelled)
            if limit is not None and (needed := _longest(batch.column(name), limit, is_text=spelled.startswith("nvarchar"))) > limit:
                return TooWide(name, needed)
        return None

    def widen(self, wide: TooWide) -> tuple[str, str]:
        """Before and after. Twice the width, so that a handful of longer and longer values is no handful of ALTERs."""
        before = self.spelled[wide.column]
        base, width, _ = parts(before)
        limit = MAX_NVARCHAR if base == "nvarchar" else MAX_VARBINARY
        after = text_type(base, max(wide.needed, min(2 * (width or 0), limit)))
        self.spelled[wide.column] = after
        return before, after

    def ready(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """In the declared types. Raises: ConversionError naming the column and what it holds."""
        import pyarrow as pa

        arrays = []
        for name, kind in self.columns:
            column = self._cast(batch.column(name), name, kind)
            self._check(column, name, kind)
            arrays.append(column)
        hashes = [batch.column(name).cast(pa.binary()) for name in HASHES]
        return pa.RecordBatch.from_arrays([*arrays, *hashes], schema=self.schema)

    def _cast(self, column: pa.Array, name: str, kind: LogicalType) -> pa.Array:
        import pyarrow as pa

        if column.type == kind.arrow():
            return column
        try:
            return column.cast(kind.arrow(), safe=True)
        except pa.ArrowInvalid as error:
            raise ConversionError(
                f"Table '{self.table}': column '{name}' does not fit {self.spelled[name]}: {str(error).splitlines()[0]}",
                remedy=f"widen `type: {kind}` of '{name}' in the spec",
            ) from None

    def _check(self, column: pa.Array, name: str, kind: LogicalType) -> None:
        import pyarrow.compute as pc

        if kind.kind is Kind.DOUBLE:
            finite = pc.all(pc.is_finite(column)).as_py()
            if finite is False:
                raise self._unstorable(name, "NaN or an infinite number")
        elif kind.is_temporal and len(column) > column.null_count:
            try:
                bounds = pc.min_max(column).as_py()
                days = [v.date() if isinstance(v, dt.datetime) else v for v in bounds.values()]
            except (ValueError, OverflowError):
                raise self._unstorable(name, "a date outside the years 1 to 9999") from None
            if not (min(days) >= _FIRST and max(days) <= _LAST):
                raise self._unstorable(name, "a date outside the years 1 to 9999")

    def _unstorable(self, name: str, what: str) -> ConversionError:
        return ConversionError(
            f"Table '{self.table}': column '{name}' holds {what}, which SQL Server cannot store.",
            remedy="exclude the column, or read it as text (`type: varchar(40)`) in the spec",
        )


def _longest(column: pa.Array, limit: int, *, is_text: bool) -> int:
    """The longest value, exactly only where it could pass `limit`: bytes of UTF-8 are never fewer than units of UTF-16."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pa.string() if is_text else pa.binary()
    column = column if column.type == plain else column.cast(plain)
    lengths = pc.binary_length(column)
    most = pc.max(lengths).as_py() or 0
    if most <= limit or not is_text:
        return int(most)
    suspects = column.filter(pc.greater(lengths, limit))
    return max(len(text.encode("utf-16-le")) // 2 for text in suspects.to_pylist() if text is not None)
