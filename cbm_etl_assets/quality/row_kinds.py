"""Kinds of rules on single rows: each gives a polars expression that is true for a good row. NULL passes, except in not_null.

Owns what the kinds mean. They are compiled to a Pandera schema and evaluated by `quality.rows`. No annotation is postponed
here: the registry reads the parameters from the signatures. Polars is imported when a rule is compiled, not when it is read.
"""

import datetime as dt
import importlib
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.rulekinds import ColumnName, ColumnNames, rule
from cbm_etl_assets.quality.look import Sight

if TYPE_CHECKING:
    import polars as pl

_MOMENT = re.compile(r"(today|now)(?:\s*([+-])\s*(\d{1,5})d)?")
_WRITTEN = {"integer": r"[+-]?\d+", "number": r"[+-]?\d+([.,]\d+)?", "boolean": r"(?i)0|1|true|false|yes|no|oui|non"}


def _bound(value: Any) -> Any:
    if isinstance(value, str) and not _MOMENT.fullmatch(value.strip().lower()):
        try:
            return dt.datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("a bound is a number, a date such as 2020-01-31, today or today+30d") from None
    return value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return value


Bound = Annotated[int | float | dt.datetime | dt.date | str | None, AfterValidator(_bound)]
Regex = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_regex)]
Target = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", max_length=200)]


@rule("not_null", sees_masks=True)
def not_null(sight: Sight, column: ColumnName) -> "pl.Expr":
    """The column is filled."""
    import polars as pl

    return pl.col(column).is_not_null()


@rule("min_fill_rate", sees_masks=True, tolerance="percent")
def min_fill_rate(sight: Sight, column: ColumnName, percent: Annotated[float, Field(ge=0, le=100)]) -> "pl.Expr":
    """At least so many percent of the rows have a value in the column."""
    import polars as pl

    return pl.col(column).is_not_null()


@rule("range")
def in_range(sight: Sight, column: ColumnName, min: Bound = None, max: Bound = None) -> "pl.Expr":
    """The value lies between min and max, both included; a bound is a number, a date, today or today+30d."""
    import polars as pl

    value, good = pl.col(column), pl.lit(True)
    if min is not None:
        good = good & (value >= _literal(sight, column, min))
    if max is not None:
        good = good & (value <= _literal(sight, column, max))
    return good


def _literal(sight: Sight, column: str, bound: Any) -> "pl.Expr":
    import polars as pl

    if isinstance(bound, str) and (found := _MOMENT.fullmatch(bound.strip().lower())):
        moment = sight.now if found[1] == "now" else dt.datetime.combine(sight.now.date(), dt.time())
        days = int(found[3] or 0) * (-1 if found[2] == "-" else 1)
        bound = moment + dt.timedelta(days=days)
    if sight.types[column].kind == "decimal" and isinstance(bound, float):
        bound = Decimal(str(bound))
    if sight.types[column].kind == "timestamptz" and isinstance(bound, dt.date):
        return pl.lit(bound).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.lit(bound)


@rule("allowed_values")
def allowed_values(
    sight: Sight,
    column: ColumnName,
    values: Annotated[tuple[bool | int | float | dt.date | str, ...], Field(min_length=1, max_length=1000)],
) -> "pl.Expr":
    """The value is one of a list, compared exactly."""
    import polars as pl

    given: list[Any] = list(values)
    if sight.types[column].is_text:
        given = [str(v) for v in given]
    elif sight.types[column].kind == "decimal":
        given = [Decimal(str(v)) for v in given]
    return pl.col(column).is_in(given)


@rule("pattern")
def pattern(sight: Sight, column: ColumnName, regex: Regex) -> "pl.Expr":
    """The whole value matches the regular expression."""
    import polars as pl

    return pl.col(column).cast(pl.String).str.contains(f"^(?:{regex})$")


@rule("length")
def length(
    sight: Sight, column: ColumnName, min: Annotated[int, Field(ge=0)] = 0, max: Annotated[int | None, Field(ge=0)] = None
) -> "pl.Expr":
    """The text has at least min and at most max characters."""
    import polars as pl

    characters = pl.col(column).cast(pl.String).str.len_chars()
    return (characters >= min) & (characters <= max if max is not None else pl.lit(True))


@rule("type")
def written_as(
    sight: Sight, column: ColumnName, of: Literal["integer", "number", "boolean", "date", "datetime"], format: str | None = None
) -> "pl.Expr":
    """The text can be read as integer, number, boolean, date or datetime (format: strftime, default ISO)."""
    import polars as pl

    text = pl.col(column).cast(pl.String).str.strip_chars()
    if of in _WRITTEN:
        return text.str.contains(f"^(?:{_WRITTEN[of]})$")
    read = text.str.to_date(format or "%Y-%m-%d", strict=False) if of == "date" else text.str.to_datetime(format, strict=False)
    return text.is_null() | read.is_not_null()


@rule("expression")
def expression(sight: Sight, sql: Annotated[str, Field(min_length=1, max_length=2000)]) -> "pl.Expr":
    """A comparison of columns in SQL that holds for every row: dat_fin >= dat_deb."""
    import polars as pl

    try:
        return pl.sql_expr(sql)
    except pl.exceptions.PolarsError as error:
        raise SpecError(f"expression '{sql}': {str(error).splitlines()[0]}", remedy="write one comparison of columns, in SQL") from None


@rule("custom")
def custom(sight: Sight, function: Target, columns: ColumnNames, arguments: dict[str, Any] | None = None) -> "pl.Expr":
    """A function of your own, module:name: polars expressions of the columns in, one that is true for a good row out."""
    import polars as pl

    module, _, name = function.partition(":")
    if not any(module == one or module.startswith(f"{one}.") for one in sight.allowed_modules):
        raise SpecError(
            f"custom '{function}': module '{module}' may not be called. Allowed: {', '.join(sight.allowed_modules) or 'none'}.",
            remedy='name it in CBM_QUALITY__CUSTOM_MODULES, for instance ["cbm_checks"]',
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise SpecError(f"custom '{function}': {error}", remedy="install the module where cbm-etl runs") from None
    good = found(*(pl.col(column) for column in columns), **(arguments or {}))
    if not isinstance(good, pl.Expr):
        raise SpecError(f"custom '{function}' gave a {type(good).__name__}; it must give a polars expression (pl.Expr)")
    return good
