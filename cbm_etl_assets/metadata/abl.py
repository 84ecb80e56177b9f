"""ABL data types -> LogicalType, with the policy for widths.

Owns that mapping for schema dumps. A live catalogue has SQL types and is mapped in `source`.
"""

from __future__ import annotations

from cbm_etl_assets.metadata.types import MAX_DECIMAL_PRECISION, Kind, LogicalType

_PLAIN: dict[str, Kind] = {
    "integer": Kind.INTEGER, "int64": Kind.BIGINT, "logical": Kind.BOOLEAN, "date": Kind.DATE, "datetime": Kind.TIMESTAMP,
    "datetime-tz": Kind.TIMESTAMPTZ, "recid": Kind.BIGINT, "blob": Kind.BINARY, "clob": Kind.VARCHAR,
}  # fmt: skip
ABL_TYPES: tuple[str, ...] = ("character", "decimal", "raw", *_PLAIN)
DEFAULT_DECIMALS = 10  # ABL keeps 10 decimals where DECIMALS is not declared
INT64_DIGITS = 18  # decimal(18) is stored in 8 bytes, as is any narrower one: rounding up to it is free


def logical_type(abl: str, width: int | None, decimals: int | None, extent: int) -> LogicalType:
    """Type of ONE element.

    Array: the width is that of the joined text, so one element of text may fill it but for the other separators;
    a number gets its even share, at least 18 digits. Decimal: precision = width, cut at 38 where OpenEdge allows 50: a
    value of more digits is reported by the load, never rounded. A width too small for its scale is taken as whole digits.
    """
    if abl == "character":
        return LogicalType(Kind.VARCHAR, width=max(1, width - (extent - 1)) if width and extent else width)
    if abl == "raw":
        return LogicalType(Kind.BINARY, width=None if extent else width)
    if abl != "decimal":
        return LogicalType(_PLAIN[abl])
    scale = min(DEFAULT_DECIMALS if decimals is None else decimals, MAX_DECIMAL_PRECISION)
    digits = MAX_DECIMAL_PRECISION if not width else max(width // extent, INT64_DIGITS) if extent else width
    if digits <= scale:
        digits += scale
    return LogicalType(Kind.DECIMAL, precision=min(digits, MAX_DECIMAL_PRECISION), scale=scale)


def sql_width(abl: str, width: int | None, extent: int) -> int | None:
    """The width OpenEdge SQL checks values against: characters of text, or of the joined text of any array."""
    return width if width and (extent or abl == "character") else None
