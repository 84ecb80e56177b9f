"""Digests of rows and tallies of columns, taken the same way over source rows just read and ODS rows read back.

Owns the arithmetic. A row becomes 32 bytes: half of the SHA-256 of its key and half of that of its values. Sums of digests
do not depend on the order of rows; every content digest is multiplied by its key, so that two rows cannot swap values
unseen. Memory: 40 bytes a row and side, plus one batch of BATCH_CELLS.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.transform.convert import polars_type
from cbm_etl_assets.transform.hashing import row_hash
from cbm_etl_assets.transform.rows import RowTransform

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_CELLS = 2_000_000
BUCKET_BITS = 10  # 1,024 buckets: at 10 million rows one differing row costs a join of 10,000
KEY = ["k1", "k2"]
STORED_KEY = "_stored_key_hash"
DIGEST_SCHEMA = pl.Schema({"k1": pl.UInt64(), "k2": pl.UInt64(), "d1": pl.UInt64(), "d2": pl.UInt64(), "c": pl.Datetime("us")})
_SUM_DIGITS = 28  # a decimal of more digits may overflow 38 when ten billion rows are added
_MASK = (1 << 64) - 1
_PRIME = pl.lit(0x9E3779B97F4A7C15, dtype=pl.UInt64)


@dataclass
class Tally:
    """One column of one side. `total` for numbers that add up exactly: integers, booleans, decimals of up to 28 digits.

    `fingerprint` is comparable within one verification only: its hash is fast, and not frozen across versions.
    """

    nulls: int = 0
    total: Any = None
    minimum: Any = None
    maximum: Any = None
    fingerprint: int = 0

    def add(self, nulls: int, total: Any, minimum: Any, maximum: Any, fingerprint: int) -> None:
        self.nulls += nulls
        self.fingerprint = (self.fingerprint + fingerprint) & _MASK
        with decimal.localcontext(prec=60):
            self.total = _least_known(self.total, total, lambda a, b: a + b)
        self.minimum = _least_known(self.minimum, minimum, min)
        self.maximum = _least_known(self.maximum, maximum, max)


def _least_known(old: Any, new: Any, join: Any) -> Any:
    return new if old is None else old if new is None else join(old, new)


@dataclass
class Measured:
    """One side: a digest a row (columns k1, k2, d1, d2, and c = the row's cursor), a tally a column."""

    digests: pl.DataFrame
    columns: dict[str, Tally] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.digests.height

    def key_fingerprint(self) -> str:
        return self._sums("k1", "k2")

    def content_fingerprint(self) -> str:
        return self._sums("m1", "m2")

    def _sums(self, *names: str) -> str:
        sums = self.digests.select(_bound()).select(pl.col(n).sum() for n in names) if names[0] == "m1" else None
        found = sums if sums is not None else self.digests.select(pl.col(n).sum() for n in names)
        return "".join(f"{int(value or 0):016x}" for value in found.row(0))


def _bound() -> list[pl.Expr]:
    """Content bound to its key; wraps at 64 bits, as sums do."""
    return [pl.col("k1"), pl.col("k2"), *((pl.col(f"d{i}") * (pl.col(f"k{i}") | 1)).alias(f"m{i}") for i in (1, 2))]


class Digester:
    """Digests of one table's rows, from frames of ODS-bound columns (and `_stored_key_hash` where they come from ODS)."""

    def __init__(self, transform: RowTransform, zone: str) -> None:
        self._transform = transform
        self._spec = transform.spec
        self._zone = zone
        self._names = [name for name, _ in self._spec.target_columns]

    def digest(self, frame: pl.DataFrame) -> pl.DataFrame:
        """One row a row: k1, k2, d1, d2, c. Raises: NullKeyError."""
        key, diff = (pl.Series(pl.from_arrow(hashes), dtype=pl.Binary) for hashes in self._hashes(frame))
        keyed = self._spec.key_targets
        spelled = row_hash([pl.col(k) for k in keyed]) if keyed else pl.col("diff")
        found = frame.with_columns(key.alias("key"), diff.alias("diff")).with_columns(spelled.alias("spelled"), self._cursor().alias("c"))
        content = _word("diff", 8) ^ _word("spelled", 0)
        if STORED_KEY in frame.columns and keyed:
            content = pl.when(pl.col(STORED_KEY) == pl.col("key")).then(content).otherwise(~content)
        return found.select(
            _word("key", 0).alias("k1"), _word("key", 8).alias("k2"), _word("diff", 0).alias("d1"), content.alias("d2"), pl.col("c")
        )

    def _hashes(self, frame: pl.DataFrame) -> tuple[pa.Array, pa.Array]:
        return self._transform.hashes_of(frame.select(self._names))

    def _cursor(self) -> pl.Expr:
        """A row's own modification time: its greatest cursor, naive in the source's zone."""
        if not self._spec.cursor:
            return pl.lit(None, dtype=pl.Datetime("us"))
        return pl.max_horizontal(self._stamp(self._spec.column(c).target_name) for c in self._spec.cursor.columns)

    def _stamp(self, name: str) -> pl.Expr:
        kind = dict(self._spec.target_columns)[name].kind
        if kind is Kind.TIMESTAMPTZ:
            return pl.col(name).dt.convert_time_zone(self._zone).dt.replace_time_zone(None).cast(pl.Datetime("us"))
        return pl.col(name).cast(pl.Datetime("us"))

    def measure(self, frames: Iterable[pl.DataFrame]) -> Measured:
        digests: list[pl.DataFrame] = []
        tallies = {name: Tally() for name in self._names}
        for frame in frames:
            digest = self.digest(frame)
            digests.append(digest)
            tally_columns(frame.select(self._names), digest.get_column("k1"), tallies)
        return Measured(pl.concat(digests, rechunk=False) if digests else empty_digests(), tallies)


def empty_digests() -> pl.DataFrame:
    return pl.DataFrame(schema=DIGEST_SCHEMA)


def key_words(column: str) -> list[pl.Expr]:
    """The first 16 bytes of a stored hash as k1 and k2."""
    return [_word(column, 8 * i).alias(name) for i, name in enumerate(KEY)]


def _word(column: str, offset: int) -> pl.Expr:
    return pl.col(column).bin.slice(offset, 8).bin.reinterpret(dtype=pl.UInt64, endianness="little")


def tally_columns(frame: pl.DataFrame, key: pl.Series, tallies: dict[str, Tally]) -> None:
    keyed = frame.with_columns(key.alias("_k1"))
    expressions = [e.alias(str(i)) for i, e in enumerate(e for name in frame.columns for e in _measures(name, frame.schema[name]))]
    values = keyed.select(expressions).row(0)
    for index, name in enumerate(frame.columns):
        nulls, total, low, high, mark = values[5 * index : 5 * index + 5]
        tallies[name].add(int(nulls), total, low, high, int(mark or 0))


def _measures(name: str, kind: pl.DataType) -> Sequence[pl.Expr]:
    """null count, sum, min, max, fingerprint."""
    column, nothing = pl.col(name), pl.lit(None)
    adds_up = kind.is_integer() or kind == pl.Boolean or (isinstance(kind, pl.Decimal) and (kind.precision or 38) <= _SUM_DIGITS)
    wide = pl.Decimal(38, kind.scale) if isinstance(kind, pl.Decimal) else pl.Int128()
    has_order = kind not in (pl.Binary, pl.Null)
    mark = ((column.hash(0) ^ (column.hash(1) * _PRIME)) * (pl.col("_k1") | 1)).sum()
    total = column.cast(wide).sum() if adds_up else nothing
    return column.null_count(), total, *((column.min(), column.max()) if has_order else (nothing, nothing)), mark


def differing_buckets(source: Measured, ods: Measured) -> pl.Series:
    """Buckets (the first bits of the key's digest) whose rows are not the same on both sides."""
    left, right = (_buckets(side.digests) for side in (source, ods))
    both = left.join(right, on="bucket", how="full", coalesce=True, suffix="_ods")
    differs = pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"{n}_ods")) for n in ("n", "k1", "k2", "m1", "m2"))
    return both.filter(differs).get_column("bucket")


def bucket_of() -> pl.Expr:
    return (pl.col("k1") // (1 << (64 - BUCKET_BITS))).cast(pl.UInt16).alias("bucket")


def _buckets(digests: pl.DataFrame) -> pl.DataFrame:
    sums = [pl.col(n).sum() for n in ("k1", "k2", "m1", "m2")]
    return digests.select(bucket_of(), *_bound()).group_by("bucket").agg(pl.len().alias("n"), *sums)


def differing_keys(source: pl.DataFrame, ods: pl.DataFrame, *, has_key: bool) -> pl.DataFrame:
    """Keys that are not the same on both sides: k1, k2, state (missing, extra, different), c and d1 of the source's row, and how
    often each side holds the key (n, n_ods).

    A key the source holds more than once is the same when ODS holds one of its rows: that is what a load does with repeats.
    """
    left, right = (_by_key(side) for side in (source, ods))
    both = left.join(right, on=KEY, how="full", coalesce=True, suffix="_ods").with_columns(pl.col("n", "n_ods").fill_null(0))
    found = both.filter(pl.any_horizontal(pl.col(n).ne_missing(pl.col(f"{n}_ods")) for n in ("n", "s1", "s2")))
    if has_key:
        missing, extra = pl.col("n_ods") == 0, pl.col("n") == 0
        repeated = found.filter((pl.col("n") > 1) & (pl.col("n_ods") == 1)).select(KEY)
        kept_one = ods.join(repeated, on=KEY, how="semi").join(source, on=[*KEY, "d1", "d2"], how="semi").select(KEY)
        found = found.join(kept_one, on=KEY, how="anti")
    else:
        missing, extra = pl.col("n") > pl.col("n_ods"), pl.col("n") < pl.col("n_ods")
    state = pl.when(missing).then(pl.lit("missing")).when(extra).then(pl.lit("extra")).otherwise(pl.lit("different"))
    return found.select(*KEY, state.alias("state"), "c", "d1", "n", "n_ods").sort(KEY)


def count_states(keys: pl.DataFrame, *, has_key: bool) -> dict[str, int]:
    """Keys that are missing, extra, different; without a key rows: one side may hold a row three times more often."""
    gap = (pl.col("n").cast(pl.Int64) - pl.col("n_ods").cast(pl.Int64)).abs().sum()
    found = keys.group_by("state").agg(pl.len() if has_key else gap)
    return {"missing": 0, "extra": 0, "different": 0} | {str(state): int(number) for state, number in found.iter_rows()}


def _by_key(digests: pl.DataFrame) -> pl.DataFrame:
    return digests.group_by(KEY).agg(
        pl.len().alias("n"), pl.col("d1").sum().alias("s1"), pl.col("d2").sum().alias("s2"), pl.col("c").max(), pl.col("d1").first()
    )


def same_kind(transform: RowTransform, schema: pl.Schema) -> bool:
    """True where ODS holds every column in the family of types its spec says: then a stored hash is comparable."""
    return all(_family(schema[name]) == _family(polars_type(kind)) for name, kind in transform.spec.target_columns)


def _family(kind: pl.DataType) -> str:
    return "integer" if kind.is_integer() else type(kind).__name__
