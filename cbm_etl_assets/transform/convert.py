"""Vectorised conversions of one column: array elements, declared cleaning, type overrides, masks.

Every function is polars in, polars out. A value that does not fit raises ConversionError; nothing is rounded, cut or
turned into NULL unless the spec declares it.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from cbm_etl_assets.errors import ConversionError
from cbm_etl_assets.metadata.spec import Clean, Mask
from cbm_etl_assets.metadata.types import Kind, LogicalType, Unstorable

# ~~ ~; ~? are data; the marker \x01 escapes itself, so that a real \x01 in the data survives.
_ESCAPED = ["\x01", "~~", "~;", "~?"]
_MARKED = ["\x01a", "\x01b", "\x01c", "\x01d"]
_PLAIN = ["\x01", "~", ";", "?"]
_TRUE = ["1", "true", "yes", "oui"]
_FALSE = ["0", "false", "no", "non"]


def polars_type(logical: LogicalType) -> pl.DataType:
    if logical.kind is Kind.DECIMAL:
        return pl.Decimal(logical.precision or 38, logical.scale or 0)
    plain: dict[Kind, pl.DataType] = {
        Kind.VARCHAR: pl.String(), Kind.INTEGER: pl.Int32(), Kind.BIGINT: pl.Int64(), Kind.DOUBLE: pl.Float64(),
        Kind.BOOLEAN: pl.Boolean(), Kind.DATE: pl.Date(), Kind.TIMESTAMP: pl.Datetime("us"),
        Kind.TIMESTAMPTZ: pl.Datetime("us", "UTC"), Kind.TIME: pl.Time(), Kind.BINARY: pl.Binary(),
    }  # fmt: skip
    return plain[logical.kind]


def misfit_elements(text: pl.Series, extent: int) -> pl.Series:
    """Per row: whether the array holds another number of elements than `extent`. A NULL array does not."""
    lengths = text.str.replace_many(_ESCAPED, _MARKED).str.split(";").list.len()
    return ((lengths != extent) & text.is_not_null()).fill_null(False)


def split_elements(text: pl.Series, extent: int) -> list[pl.Series]:
    """An array column as OpenEdge SQL delivers it ('a;b;?') -> `extent` text series; a NULL array is all NULL.

    Raises: ConversionError when a row holds another number of elements. Source: OpenEdge SQL reference, PRO_ELEMENT.
    """
    marked = text.str.replace_many(_ESCAPED, _MARKED)
    lists = marked.str.split(";")
    lengths = lists.list.len()
    wrong = (lengths != extent) & text.is_not_null()
    if wrong.any():
        raise ConversionError(
            f"Column '{text.name}': {wrong.sum()} rows hold another number of array elements than the extent {extent} "
            f"(first: {lengths.filter(wrong)[0]}).",
            remedy="cbm-etl tables sync compares the spec with the source catalogue",
        )
    frame = pl.DataFrame({"l": lists})
    elements = [pl.col("l").list.get(i, null_on_oob=True) for i in range(extent)]
    plain = [pl.when(e == "?").then(None).otherwise(e.str.replace_many(_MARKED, _PLAIN)).alias(str(i)) for i, e in enumerate(elements)]
    return frame.select(plain).get_columns()


def clean(values: pl.Series, rule: Clean) -> tuple[pl.Series, int]:
    """Declared cleaning of text -> (values, how many it changed)."""
    if values.dtype != pl.String:
        return values, 0
    out = values.str.strip_chars() if rule.trim else values
    if rule.null_tokens:
        out = out.set(out.is_in(list(rule.null_tokens)), None)
    return out, int((~out.eq_missing(values)).sum())


def to_type(values: pl.Series, logical: LogicalType) -> pl.Series:
    """Exact conversion to the ODS-bound type. Raises: ConversionError naming column, count and the first bad value's shape."""
    out, bad = try_type(values, logical)
    if bad.any():
        raise ConversionError(
            f"Column '{values.name}': {bad.sum()} values do not fit the declared type {logical} (delivered as {values.dtype}).",
            remedy="widen or change `type:` of the column in its spec",
        )
    return out


def try_type(values: pl.Series, logical: LogicalType) -> tuple[pl.Series, pl.Series]:
    """(values in the ODS-bound type, per value whether it does not fit); what does not fit is NULL or no longer exact."""
    wanted = polars_type(logical)
    if values.dtype == wanted:
        return values, pl.repeat(False, len(values), eager=True)
    out = _from_text(values, logical) if values.dtype == pl.String else values.cast(wanted, strict=False)
    bad = out.is_null() & values.is_not_null()
    if values.dtype != pl.String and _may_lose(values.dtype, wanted):
        bad = bad | ~out.cast(values.dtype, strict=False).eq_missing(values)
    return out, bad


def unstorable(values: pl.Series, kinds: Collection[Unstorable]) -> pl.Series | None:
    """Per value: whether it is of a kind some warehouse cannot hold; None where the type has no such values."""
    if values.dtype == pl.String and Unstorable.NUL_TEXT in kinds:
        return values.str.contains("\0", literal=True).fill_null(False)
    if values.dtype.is_float() and Unstorable.NON_FINITE in kinds:
        return non_finite(values)
    return None


def non_finite(values: pl.Series) -> pl.Series:
    """Per value: whether it is NaN or an infinity."""
    return (~values.is_finite()).fill_null(False)


def _may_lose(delivered: pl.DataType, wanted: pl.DataType) -> bool:
    return (delivered.is_numeric() and wanted.is_numeric()) or (delivered.is_temporal() and wanted.is_temporal())


def _from_text(values: pl.Series, logical: LogicalType) -> pl.Series:
    text = values.str.strip_chars()
    if logical.kind is Kind.BOOLEAN:
        lowered = text.str.to_lowercase()
        return pl.select(
            pl.when(lowered.is_in(_TRUE)).then(True).when(lowered.is_in(_FALSE)).then(False).otherwise(None).alias(values.name)
        ).to_series()
    if logical.kind is Kind.DATE:
        return text.str.to_date("%Y-%m-%d", strict=False).fill_null(text.str.to_date("%d/%m/%Y", strict=False))
    if logical.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        zone = "UTC" if logical.kind is Kind.TIMESTAMPTZ else None
        return text.str.to_datetime(time_unit="us", time_zone=zone, strict=False)
    if logical.kind is Kind.DECIMAL:
        return _decimal_from_text(text.str.replace(",", ".", literal=True), logical)
    return text.cast(polars_type(logical), strict=False)


def _decimal_from_text(text: pl.Series, logical: LogicalType) -> pl.Series:
    out = text.cast(pl.Decimal(38, logical.scale or 0), strict=False)
    # A cast from text rounds digits beyond the scale away without a word: more digits than the scale is no fit.
    digits = text.str.extract(r"\.(\d*?)0*$", 1).str.len_bytes().fill_null(0)
    limit = 10 ** ((logical.precision or 38) - (logical.scale or 0))
    fits = (digits <= (logical.scale or 0)) & (out.abs() < limit) & ~text.str.contains("[eE]")
    return out.set(~fits.fill_null(True), None).cast(polars_type(logical), strict=False)


def mask(values: pl.Series, how: Mask) -> pl.Series:
    """NULL stays NULL. hash = SHA-256 in hexadecimal of the text form; partial keeps the first and last character."""
    text = values.cast(pl.String)
    if how is Mask.NULL:
        return pl.Series(values.name, [None] * len(values), dtype=values.dtype)
    if how is Mask.HASH:
        import polars_hash as plh

        column = plh.col(values.name)
        return text.to_frame().select(column.chash.sha2_256().alias(values.name)).to_series()
    if how is Mask.REDACT:
        return text.set(text.is_not_null(), "***")
    return pl.select((text.str.head(1) + "***" + text.str.tail(1)).alias(values.name)).to_series()
