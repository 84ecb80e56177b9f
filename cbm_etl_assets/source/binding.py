"""Arrow types of one read: what raw files hold, what the driver is asked for, and the way from one to the other.

Owns `raw_schema`, `bind_schema` and `RawCaster`. Knows nothing of connections, hashing or files.

A driver is asked for text wherever its own conversion may change a value in silence: decimals always (NaN read as 0, a
lower declared scale cuts digits), integers declared over a decimal, dates where the profile says so. Text is then cast by
Arrow, which refuses what does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from cbm_etl_assets.errors import ConversionError, SourceSchemaError
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.transform.bad_rows import RowError

# OpenEdge writes `2024-01-01 00:00:00.000 + 02:00`; Arrow reads `2024-01-01 00:00:00.000+0200`.
_LOOSE_OFFSET = r"^\s*(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2}(?:\.\d+)?)\s*([+-])\s*(\d{2}):?(\d{2})?\s*$"
_NO_OFFSET = r"^\s*(\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(?:\.\d+)?)\s*$"
_SHOWN_CHARS = 60


def raw_type(column: ColumnSpec) -> pa.DataType:
    """An extent is one text as the source joins it; everything else has its source type."""
    return pa.string() if column.extent else column.source_logical.arrow()


def raw_schema(spec: TableSpec) -> pa.Schema:
    return pa.schema([pa.field(c.name, raw_type(c)) for c in spec.kept_columns])


def bind_schema(delivered: pa.Schema, spec: TableSpec, text_kinds: frozenset[Kind]) -> pa.Schema:
    """What to ask the driver for, column by column. Raises: SourceSchemaError when the result has another number of columns."""
    columns = spec.kept_columns
    if len(delivered) != len(columns):
        raise SourceSchemaError(f"Table '{spec.name}': {len(columns)} columns asked for, {len(delivered)} delivered.")
    return pa.schema([pa.field(f.name, _bound(f.type, c, text_kinds)) for f, c in zip(delivered, columns, strict=True)])


def _bound(delivered: pa.DataType, column: ColumnSpec, text_kinds: frozenset[Kind]) -> pa.DataType:
    kind = Kind.VARCHAR if column.extent else column.source_logical.kind
    if kind is Kind.BINARY:
        return pa.binary()
    if kind in text_kinds or kind in (Kind.VARCHAR, Kind.DECIMAL):
        return pa.string()
    return _NATIVE[kind](delivered) or pa.string()


def _integer(delivered: pa.DataType) -> pa.DataType | None:
    return pa.int64() if pa.types.is_integer(delivered) else None


def _narrow_integer(delivered: pa.DataType) -> pa.DataType | None:
    # A wider integer is read whole and narrowed by Arrow, which refuses what does not fit; the driver would wrap it.
    if pa.types.is_integer(delivered):
        return pa.int32() if delivered.bit_width <= 32 else pa.int64()
    return None


def _boolean(delivered: pa.DataType) -> pa.DataType | None:
    return pa.bool_() if pa.types.is_boolean(delivered) else _integer(delivered)


def _temporal(delivered: pa.DataType) -> pa.DataType | None:
    if pa.types.is_timestamp(delivered):
        return pa.timestamp("us")
    return delivered if pa.types.is_date(delivered) else None


_NATIVE: dict[Kind, Callable[[pa.DataType], pa.DataType | None]] = {
    Kind.INTEGER: _narrow_integer,
    Kind.BIGINT: _integer,
    # arrow-odbc reads psqlODBC's float8 as float32: always ask for 64 bits.
    Kind.DOUBLE: lambda t: pa.float64() if pa.types.is_floating(t) else None,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _temporal,
    Kind.TIMESTAMP: _temporal,
    Kind.TIMESTAMPTZ: _temporal,
    Kind.TIME: lambda t: t if pa.types.is_time(t) else None,
}


@dataclass(frozen=True)
class RawCaster:
    """Batches as bound -> batches of the raw schema. `aware_is_utc`: the driver's session is pinned to UTC."""

    spec: TableSpec
    aware_is_utc: bool = False

    def cast(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Raises: ConversionError naming table, column and the first value that does not fit."""
        columns = self.spec.kept_columns
        arrays = [self._column(c, values) for c, values in zip(columns, batch.columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=raw_schema(self.spec))

    def cast_rows(self, batch: pa.RecordBatch, limit: int) -> tuple[pa.RecordBatch, dict[int, RowError]]:
        """The way for a batch that `cast` refused: what does not fit is NULL and named, by row.

        Raises: ConversionError when more than `limit` values do not fit.
        """
        arrays, found = [], dict[int, RowError]()
        for column, values in zip(self.spec.kept_columns, batch.columns, strict=True):
            wanted = raw_type(column)
            wrong: list[int] = []
            for row in self._misfits(values, wanted) if values.type != wanted else ():
                if len(wrong) >= limit:
                    raise self._explain(column, values, wanted, pa.ArrowInvalid(f"more than {limit} values do not fit"))
                wrong.append(row)
            if wrong:
                text = pc.cast(values, pa.string())
                found = {row: self._error(column, text[row].as_py()) for row in wrong} | found
                marks = pc.is_in(pa.array(range(len(values))), value_set=pa.array(wrong))
                values = pc.if_else(marks, None, values)
            arrays.append(values if values.type == wanted else self._cast(values, wanted))
        return pa.RecordBatch.from_arrays(arrays, schema=raw_schema(self.spec)), found

    def _error(self, column: ColumnSpec, value: str) -> RowError:
        shown = "(hidden: the column is masked)" if column.mask else repr(value)[:_SHOWN_CHARS]
        return RowError(
            column.name, ConversionError.__name__, f"column '{column.name}': value {shown} does not fit {column.source_logical}", value
        )

    def _misfits(self, values: pa.Array, wanted: pa.DataType, offset: int = 0) -> Iterator[int]:
        """Rows that do not cast, by halving: about 2 log2(n) casts for each."""
        try:
            self._cast(values, wanted)
        except pa.ArrowException:  # one of these rows, at least
            if len(values) == 1:
                yield offset
                return
            half = len(values) // 2
            yield from self._misfits(values[:half], wanted, offset)
            yield from self._misfits(values[half:], wanted, offset + half)

    def _column(self, column: ColumnSpec, values: pa.Array) -> pa.Array:
        wanted = raw_type(column)
        if values.type == wanted:
            return values
        try:
            return self._cast(values, wanted)
        except pa.ArrowException as error:
            raise self._explain(column, values, wanted, error) from error

    def _cast(self, values: pa.Array, wanted: pa.DataType) -> pa.Array:
        if pa.types.is_time(wanted) and pa.types.is_string(values.type):
            day = pc.binary_join_element_wise("1970-01-01", values, " ")  # Arrow parses stamps, not times of day
            return pc.cast(pc.cast(day, pa.timestamp("us")), wanted)
        if pa.types.is_decimal(wanted) and pa.types.is_string(values.type):
            return self._decimal(values, wanted)
        if not pa.types.is_timestamp(wanted) or wanted.tz is None:
            return pc.cast(values, wanted)
        if pa.types.is_timestamp(values.type) and self.aware_is_utc:
            return pc.assume_timezone(values, "UTC")
        return pc.cast(self._aware_text(values), wanted)

    @staticmethod
    def _decimal(values: pa.Array, wanted: pa.DataType) -> pa.Array:
        """A source of a larger scale writes zeros behind: they are not digits that have to fit."""
        try:
            return pc.cast(values, wanted)
        except pa.ArrowInvalid:
            return pc.cast(pc.replace_substring_regex(values, r"(\.\d*?)0+$", r"\1"), wanted)

    def _aware_text(self, values: pa.Array) -> pa.Array:
        text = pc.replace_substring_regex(pc.cast(values, pa.string()), _LOOSE_OFFSET, r"\1 \2\3\4\5")
        return pc.replace_substring_regex(text, _NO_OFFSET, r"\1Z") if self.aware_is_utc else text

    def _explain(self, column: ColumnSpec, values: pa.Array, wanted: pa.DataType, error: pa.ArrowException) -> ConversionError:
        shown = "(hidden: the column is masked)" if column.mask else repr(str(self._first_bad(values, wanted)))[:_SHOWN_CHARS]
        return ConversionError(
            f"Table '{self.spec.name}', column '{column.name}': value {shown} does not fit {column.source_logical}: "
            f"{'' if column.mask else str(error)[:200]}",
            remedy="correct the column's type in the spec (cbm-etl tables sync), or read it as varchar through source_type",
        )

    def _first_bad(self, values: pa.Array, wanted: pa.DataType) -> object:
        """Halving: about 20 casts for a batch of a million."""
        while len(values) > 1:
            half = len(values) // 2
            try:
                self._cast(values[:half], wanted)
            except pa.ArrowException:  # the bad value is in this half
                values = values[:half]
            else:
                values = values[half:]
        return values[0].as_py() if len(values) else None
