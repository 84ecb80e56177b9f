"""Names and types of SQL Server: quoting, what a LogicalType is called, which stored type holds which, what a row may weigh.

Pure. Knows no connection and no statement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.metadata.types import Kind, LogicalType

MAX_ROW_BYTES = 8060
_OWN_BYTES = 160  # header, null bitmap and the technical columns of a row
MAX_NVARCHAR, MAX_VARBINARY = 4000, 8000  # in UTF-16 units and bytes; longer is (max)
# Digits and sign of the whole numbers, for a column that becomes text.
_DIGITS = {"int": 10, "bigint": 19}
_SPELLED = re.compile(r"([a-z0-9]+)(?:\((max|\d+)(?:,\s*(\d+))?\))?", re.IGNORECASE)
_FIXED = {
    Kind.INTEGER: "int", Kind.BIGINT: "bigint", Kind.DOUBLE: "float(53)", Kind.BOOLEAN: "bit", Kind.DATE: "date",
    # Microseconds, as Arrow has them; never datetime, which rounds to 3.33 ms and starts in 1753.
    Kind.TIMESTAMP: "datetime2(6)", Kind.TIMESTAMPTZ: "datetimeoffset(6)", Kind.TIME: "time(6)",
}  # fmt: skip
_BYTES = {"int": 4, "bigint": 8, "float": 8, "bit": 1, "date": 3, "datetime2": 8, "datetimeoffset": 10, "time": 5}


def quote(name: str) -> str:
    return "[" + name.replace("]", "]]") + "]"


def literal(text: str) -> str:
    """A text as T-SQL writes it; for names inside EXEC and OBJECT_ID, never for values, which travel as parameters."""
    return "N'" + text.replace("'", "''") + "'"


def type_name(logical: LogicalType) -> str:
    """nvarchar(n) of the declared width; a value beyond it widens the column (sqlserver_bulk), it is never cut."""
    if logical.kind is Kind.DECIMAL:
        return f"decimal({logical.precision},{logical.scale})"
    if logical.kind is Kind.VARCHAR:
        return text_type("nvarchar", logical.width)
    if logical.kind is Kind.BINARY:
        return text_type("varbinary", logical.width)
    return _FIXED[logical.kind]


def text_type(base: str, width: int | None) -> str:
    limit = MAX_NVARCHAR if base == "nvarchar" else MAX_VARBINARY
    return f"{base}({width})" if width and width <= limit else f"{base}(max)"


def width_of(spelled: str) -> int | None:
    """Units a text or binary column takes; None = any."""
    base, first, _ = parts(spelled)
    return first if base in ("nvarchar", "varbinary") else None


def parts(spelled: str) -> tuple[str, int | None, int]:
    """'decimal(15,2)' -> ('decimal', 15, 2), 'nvarchar(max)' -> ('nvarchar', None, 0)."""
    found = _SPELLED.fullmatch(spelled.strip())
    if found is None:
        return spelled.lower(), None, 0
    first = None if found[2] is None or found[2].lower() == "max" else int(found[2])
    return found[1].lower(), first, int(found[3] or 0)


def holds(stored: str, wanted: str) -> bool:
    """True when every value of `wanted` is a value of `stored`, in the same spelling."""
    base, size, scale = parts(stored)
    other, other_size, other_scale = parts(wanted)
    if base == other == "decimal":
        return scale >= other_scale and (size or 0) - scale >= (other_size or 0) - other_scale
    if base == other and base in ("nvarchar", "varbinary"):
        return size is None or (other_size is not None and other_size <= size)
    return base == other or _crosses(other, base, size, scale)


def _crosses(narrow: str, wide: str, size: int | None, scale: int) -> bool:
    """Another type that holds all of `narrow` exactly. bigint to float is not one: 2**53 is where it ends."""
    digits = _DIGITS.get(narrow)
    if digits is None:
        return narrow == "date" and wide == "datetime2"
    if wide == "decimal":
        return (size or 0) - scale >= digits
    if wide == "nvarchar":
        return size is None or size > digits
    return narrow == "int" and wide in ("bigint", "float")


def same_hash(before: str, after: str) -> bool:
    """Row hashes are neutral to the width of integers, text and bytes and to the scale of decimals, to no other change of type."""
    bases = {parts(before)[0], parts(after)[0]}
    return len(bases) == 1 or bases == {"int", "bigint"}


def _bytes_in_row(spelled: str) -> tuple[int, bool]:
    """Bytes the value takes in the row, and whether it may move out of it (then 24 bytes stay at most)."""
    base, size, _ = parts(spelled)
    if base == "decimal":
        return 5 + 4 * sum((size or 0) > bound for bound in (9, 19, 28)), False
    if base in ("nvarchar", "varbinary"):
        return 2, True
    return _BYTES.get(base, size or 8), False


def check_row(table: str, columns: Sequence[tuple[str, str]]) -> None:
    """Raises: WarehouseError where SQL Server cannot hold one row, before it says so in the middle of a load."""
    sizes = [_bytes_in_row(kind) for _, kind in columns]
    least = _OWN_BYTES + len(sizes) // 8 + sum(size for size, movable in sizes if not movable)
    if least > MAX_ROW_BYTES:
        raise WarehouseError(
            f"Table '{table}': its numbers and dates alone take {least} bytes a row; a row of SQL Server holds {MAX_ROW_BYTES}.",
            remedy="exclude columns, declare narrower decimals (decimal(9,2) takes 5 bytes, decimal(38,10) 17), or split the table",
        )


def may_overflow(columns: Sequence[tuple[str, str]]) -> bool:
    """True when a row with every text filled would not fit: each text of more than 24 bytes leaves a pointer of 24 behind."""
    sizes = [_bytes_in_row(kind) for _, kind in columns]
    return _OWN_BYTES + len(sizes) // 8 + sum(26 if movable else size for size, movable in sizes) > MAX_ROW_BYTES
