"""Logical column types: the one vocabulary between the source, Parquet, staging and every warehouse.

Owns parsing, printing and the Arrow form of a type. Knows nothing of any SQL dialect: each warehouse dialect
renders a LogicalType in its own words, each source dialect maps its catalogue to one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import SpecError

if TYPE_CHECKING:
    import pyarrow as pa


class Kind(StrEnum):
    VARCHAR = "varchar"
    INTEGER = "integer"
    BIGINT = "bigint"
    DECIMAL = "decimal"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    TIME = "time"
    BINARY = "binary"


class Unstorable(StrEnum):
    """Values some warehouse cannot hold exactly. A row that has one goes to the quarantine there; nothing is cut or nulled."""

    NUL_TEXT = "nul_text"  # the character U+0000
    NON_FINITE = "non_finite"  # a double that is NaN or infinite


_SPELLING = re.compile(r"^\s*([a-z]+)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*$")
MAX_DECIMAL_PRECISION = 38  # Arrow decimal128, DuckDB and SQL Server stop here; OpenEdge allows 50.


@dataclass(frozen=True)
class LogicalType:
    """A column type. `width` is in characters (varchar) or bytes (binary), None = unbounded."""

    kind: Kind
    width: int | None = None
    precision: int | None = None
    scale: int | None = None

    @classmethod
    def parse(cls, text: str) -> LogicalType:
        """'varchar(30)', 'decimal(18,2)', 'bigint' ... Raises: SpecError naming the known types."""
        found = _SPELLING.match(text.lower())
        if found is None or found[1] not in set(Kind):
            raise SpecError(f"Unknown type '{text}'. Known: {', '.join(Kind)}; varchar(n), binary(n), decimal(p,s).")
        kind, first, second = Kind(found[1]), found[2], found[3]
        if kind is Kind.DECIMAL:
            return cls._decimal(text, int(first or MAX_DECIMAL_PRECISION), int(second or (0 if first else 10)))
        if second or (first and kind not in (Kind.VARCHAR, Kind.BINARY)):
            raise SpecError(f"Type '{text}' takes no such arguments. Write for instance varchar(30) or decimal(18,2).")
        return cls(kind, width=int(first) if first else None)

    @classmethod
    def _decimal(cls, text: str, precision: int, scale: int) -> LogicalType:
        if not (1 <= precision <= MAX_DECIMAL_PRECISION and 0 <= scale <= precision):
            raise SpecError(f"Type '{text}': precision must be 1 to {MAX_DECIMAL_PRECISION} and scale 0 to precision.")
        return cls(Kind.DECIMAL, precision=precision, scale=scale)

    def __str__(self) -> str:
        if self.kind is Kind.DECIMAL:
            return f"decimal({self.precision},{self.scale})"
        return f"{self.kind}({self.width})" if self.width else str(self.kind)

    @property
    def is_text(self) -> bool:
        return self.kind is Kind.VARCHAR

    @property
    def is_temporal(self) -> bool:
        return self.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ)

    def arrow(self) -> pa.DataType:
        """The Arrow type of ODS-bound values: instants in microseconds, aware ones in UTC."""
        import pyarrow as pa

        if self.kind is Kind.DECIMAL:
            return pa.decimal128(self.precision or MAX_DECIMAL_PRECISION, self.scale or 0)
        plain: dict[Kind, pa.DataType] = {
            Kind.VARCHAR: pa.string(), Kind.INTEGER: pa.int32(), Kind.BIGINT: pa.int64(), Kind.DOUBLE: pa.float64(),
            Kind.BOOLEAN: pa.bool_(), Kind.DATE: pa.date32(), Kind.TIMESTAMP: pa.timestamp("us"),
            Kind.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"), Kind.TIME: pa.time64("us"), Kind.BINARY: pa.binary(),
        }  # fmt: skip
        return plain[self.kind]
