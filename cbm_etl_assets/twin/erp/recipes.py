"""Recipes: how one column of one chunk is made. A recipe takes the chunk and the column and gives a series.

Owns the kinds of content (keys, references, cursors, amounts, texts, arrays). Which column has which recipe is said
in `blueprint_*`; the random numbers come from `draw`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import numpy as np
import polars as pl

from cbm_etl_assets.metadata.catalogue import SourceColumn
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.twin.erp import words
from cbm_etl_assets.twin.erp.draw import I64, U64, Chunk, blank_where, clock_text, dates, decimals, gather

Recipe = Callable[[Chunk, SourceColumn], pl.Series]
Scalar = str | int | dt.date | None
Rows = Callable[[Chunk], tuple[str, U64]]  # the (table, row numbers) a chunk refers to

KEY_BASE: dict[str, int] = {"client": 10_000, "fournis": 500, "produit": 1, "entetcli": 1_000_000, "lignecli": 1}
RECENT_DAYS = 120  # cursors spread over that many days, so that a 30-day backfill finds about a quarter of the rows
OLD_ONE_IN = 20  # one row in 20 is older, up to OLD_DAYS: it belongs to the first partition
OLD_DAYS = 2_500
OVER_WIDTH_EVERY, OVER_WIDTH_FIRST = 997, 13


def _as_integer(values: I64, column: SourceColumn) -> pl.Series:
    return pl.Series(values=values).cast(pl.Int64 if column.type.kind is Kind.BIGINT else pl.Int32)


def serial(base: int) -> Recipe:
    return lambda chunk, column: _as_integer(chunk.rows.astype(np.int64) + base, column)


def _code(numbers: I64) -> pl.Series:
    return "P" + pl.Series(values=numbers).cast(pl.String).str.zfill(7)


def key_of(table: str, rows: U64, column: SourceColumn) -> pl.Series:
    """The key of those rows of a table with a one-column key: 'P0000001' for produit, a number elsewhere."""
    numbers = rows.astype(np.int64) + KEY_BASE[table]
    return _code(numbers) if table == "produit" else _as_integer(numbers, column)


def key(table: str) -> Recipe:
    return lambda chunk, column: key_of(table, chunk.rows, column)


def ref(table: str) -> Recipe:
    """A random existing row of `table`."""
    return lambda chunk, column: key_of(table, chunk.below(chunk.world.counts[table], column.name).astype(np.uint64), column)


def ref_to(rows: Rows) -> Recipe:
    """The key of the row that `rows` computes."""
    return lambda chunk, column: key_of(*rows(chunk), column)


def via(rows: Rows, recipe: Recipe) -> Recipe:
    """The recipe as the referred row sees it, e.g. the client of the order of a line."""
    return lambda chunk, column: recipe(chunk.of(*rows(chunk)), column)


def order_of_line(chunk: Chunk) -> tuple[str, U64]:
    lines, orders = chunk.world.counts["lignecli"], chunk.world.counts["entetcli"]
    return "entetcli", chunk.rows * np.uint64(orders) // np.uint64(lines)


def product_of_stock(chunk: Chunk) -> tuple[str, U64]:
    return "produit", chunk.rows // np.uint64(2) % np.uint64(chunk.world.counts["produit"])


def product_of_price(chunk: Chunk) -> tuple[str, U64]:
    return "produit", chunk.rows // np.uint64(3) % np.uint64(chunk.world.counts["produit"])


def line_number(chunk: Chunk, column: SourceColumn) -> pl.Series:
    lines, orders = chunk.world.counts["lignecli"], chunk.world.counts["entetcli"]
    first = (order_of_line(chunk)[1].astype(np.int64) * lines + orders - 1) // orders
    return _as_integer(chunk.rows.astype(np.int64) - first + 1, column)


def depot(chunk: Chunk, column: SourceColumn) -> pl.Series:
    per_round = 2 * chunk.world.counts["produit"]
    rows = chunk.rows.astype(np.int64)
    return _as_integer(rows // per_round * 2 + rows % 2 + 1, column)


def price_day(chunk: Chunk, column: SourceColumn) -> pl.Series:
    """Three prices a product, in three separate thirds of the recent days: the key cannot repeat."""
    third = RECENT_DAYS // 3
    rows = chunk.rows.astype(np.int64)
    rounds = rows // (3 * chunk.world.counts["produit"])
    return dates(chunk.world.today, 1 + rows % 3 * third + chunk.below(third, column.name) + rounds * RECENT_DAYS)


def age_days(chunk: Chunk) -> I64:
    """Days since the row last changed: 1 to RECENT_DAYS, one in OLD_ONE_IN more. Shared by every cursor column."""
    old = chunk.below(OLD_ONE_IN, "cursor", "old") == 0
    return 1 + chunk.below(RECENT_DAYS, "cursor", "age") + np.where(old, RECENT_DAYS + chunk.below(OLD_DAYS, "cursor", "extra"), 0)


def modified(nulls: float) -> Recipe:
    """dat_mod: NULL on that share of the rows, those never modified."""
    return lambda chunk, _: blank_where(dates(chunk.world.today, age_days(chunk)), chunk.share(nulls, "cursor", "null"))


def created(nulls: float, unknown: float = 0.0) -> Recipe:
    """dat_crt beside `modified(nulls)`: the cursor itself where dat_mod is NULL, earlier elsewhere; `unknown` = both NULL."""

    def make(chunk: Chunk, _: SourceColumn) -> pl.Series:
        never = chunk.share(nulls, "cursor", "null")
        made = dates(chunk.world.today, age_days(chunk) + np.where(never, 0, chunk.below(900, "cursor", "born")))
        return blank_where(made, never & chunk.share(unknown, "cursor", "unknown"))

    return make


def seconds_of_day(chunk: Chunk, column: SourceColumn) -> pl.Series:
    return _as_integer(21_600 + chunk.below(50_400, column.name), column)


def time_text(chunk: Chunk, column: SourceColumn) -> pl.Series:
    return clock_text(21_600 + chunk.below(50_400, column.name))


def integers(low: int, high: int) -> Recipe:
    return lambda chunk, column: _as_integer(low + chunk.below(high - low + 1, column.name), column)


def amounts(low: int, high: int) -> Recipe:
    """Decimals between two integers, every decimal of the scale used."""

    def make(chunk: Chunk, column: SourceColumn) -> pl.Series:
        precision, scale = column.type.precision or 17, column.type.scale or 0
        unit = 10**scale
        return decimals(low * unit + chunk.below((high - low) * unit, column.name), precision, scale)

    return make


def flags(true_share: float) -> Recipe:
    return lambda chunk, column: pl.Series(values=chunk.share(true_share, column.name, "flag"))


def days_ago(low: int, high: int) -> Recipe:
    return lambda chunk, column: dates(chunk.world.today, low + chunk.below(high - low + 1, column.name))


def moments(high_days: int) -> Recipe:
    """Naive date-times to the millisecond, as OpenEdge DATETIME holds them."""

    def make(chunk: Chunk, column: SourceColumn) -> pl.Series:
        midnight = int(dt.datetime.combine(chunk.world.today, dt.time(), dt.UTC).timestamp()) * 1000
        return pl.Series(values=(midnight - 1 - chunk.below(high_days * 86_400_000, column.name)) * 1000).cast(pl.Datetime("us"))

    return make


def pick(*values: str) -> Recipe:
    return lambda chunk, column: gather(pl.Series(values=values), chunk.below(len(values), column.name))


def _from_pool(pool: pl.Series) -> Recipe:
    return lambda chunk, column: gather(pool, chunk.below(len(pool), column.name))


def phrase(left: tuple[str, ...], right: tuple[str, ...]) -> Recipe:
    return lambda chunk, column: _from_pool(words.pairs(left, right, column.sql_width or 60))(chunk, column)


def filler_text(chunk: Chunk, column: SourceColumn) -> pl.Series:
    return _from_pool(words.filler_pool(column.sql_width or 8))(chunk, column)


def digits(count: int, prefix: str = "", suffix: str = "") -> Recipe:
    """Text of `count` random digits, e.g. an EAN, a telephone or an account number."""

    def make(chunk: Chunk, column: SourceColumn) -> pl.Series:
        text = pl.Series(values=chunk.below(10**count, column.name)).cast(pl.String).str.zfill(count)
        return prefix + text + suffix

    return make


def array(elements: Callable[[], pl.Series]) -> Recipe:
    """An extent as SQL delivers it: the escaped elements joined by ';'."""

    def make(chunk: Chunk, column: SourceColumn) -> pl.Series:
        pool = elements()
        parts = [gather(pool, chunk.below(len(pool), column.name, str(i))).alias(str(i)) for i in range(column.extent)]
        return pl.select(pl.concat_str(parts, separator=";")).to_series()

    return make


def sparse(recipe: Recipe, nulls: float) -> Recipe:
    return lambda chunk, column: blank_where(recipe(chunk, column), chunk.share(nulls, column.name, "null"))


def constant(value: Scalar) -> Recipe:
    # 10 µs against 85 for pl.repeat, and four columns in five are constant or empty.
    return lambda chunk, column: pl.Series(values=[value], dtype=polars_type(column)).new_from_index(0, len(chunk))


EMPTY: Recipe = constant(None)


def over_wide(recipe: Recipe) -> Recipe:
    """When the world asks for it, a few rows hold 25 characters more than the SQL width; ABL allows it, SQL does not."""

    def make(chunk: Chunk, column: SourceColumn) -> pl.Series:
        made = recipe(chunk, column)
        if not chunk.world.over_width:
            return made
        marked = pl.Series(values=chunk.rows % np.uint64(OVER_WIDTH_EVERY) == np.uint64(OVER_WIDTH_FIRST))
        long = "é" * ((column.sql_width or 30) + 25)
        return pl.select(pl.when(marked).then(pl.lit(long)).otherwise(made)).to_series()

    return make


def polars_type(column: SourceColumn) -> pl.DataType:
    """The type of the delivered column: text for an extent, whatever its elements are."""
    kind = Kind.VARCHAR if column.extent else column.type.kind
    if kind is Kind.DECIMAL:
        return pl.Decimal(column.type.precision or 38, column.type.scale or 0)
    plain: dict[Kind, pl.DataType] = {
        Kind.VARCHAR: pl.String(), Kind.INTEGER: pl.Int32(), Kind.BIGINT: pl.Int64(), Kind.BOOLEAN: pl.Boolean(),
        Kind.DATE: pl.Date(), Kind.TIMESTAMP: pl.Datetime("us"),
    }  # fmt: skip
    return plain[kind]
