"""Counter-based random numbers and the vectorised building of columns from them.

A value depends on (seed, table, column, row number) only, so a table is the same whatever the chunk size, the order of
the columns or the tables around it. Owns numbers and series; knows nothing of the ERP's columns.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

U64 = NDArray[np.uint64]
I64 = NDArray[np.int64]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class World:
    """What every table of one generated database shares. `counts` = rows by table; `today` bounds every date."""

    seed: int
    counts: dict[str, int]
    today: dt.date
    over_width: bool = False


@dataclass(frozen=True)
class Chunk:
    """Rows of one table, by number; recipes turn it into columns."""

    world: World
    table: str
    rows: U64

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, table: str, rows: U64) -> Chunk:
        """The same world seen from other rows: how a line asks for the client of its order."""
        return replace(self, table=table, rows=rows)

    def bits(self, column: str, salt: str = "") -> U64:
        """64 random bits a row (splitmix64 over the row number)."""
        return splitmix(self.rows, _key(self.world.seed, self.table, column, salt))

    def below(self, limit: int, column: str, salt: str = "") -> I64:
        """Uniform integers in [0, limit)."""
        return (self.bits(column, salt) % np.uint64(limit)).astype(np.int64)

    def share(self, fraction: float, column: str, salt: str) -> NDArray[np.bool_]:
        """True on that fraction of the rows."""
        return self.below(100_000, column, salt) < round(fraction * 100_000)


@cache
def _key(seed: int, table: str, column: str, salt: str) -> np.uint64:
    digest = hashlib.blake2b(f"{seed}|{table}|{column}|{salt}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def splitmix(rows: U64, key: np.uint64) -> U64:
    z = rows * _GOLDEN
    z += key
    z ^= z >> np.uint64(30)
    z *= _MIX1
    z ^= z >> np.uint64(27)
    z *= _MIX2
    z ^= z >> np.uint64(31)
    return z


def decimals(unscaled: I64, precision: int, scale: int) -> pl.Series:
    """Integers in units of 10^-scale as exact decimals, without a float in between."""
    words = np.empty((len(unscaled), 2), dtype=np.int64)
    words[:, 0] = unscaled
    words[:, 1] = unscaled >> 63
    array = pa.Array.from_buffers(pa.decimal128(precision, scale), len(unscaled), [None, pa.py_buffer(words)])
    return pl.Series(values=array)


def dates(today: dt.date, days_back: I64) -> pl.Series:
    epoch_days = (today - dt.date(1970, 1, 1)).days
    return pl.Series(values=(epoch_days - days_back).astype(np.int32)).cast(pl.Date)


def clock_text(seconds: I64) -> pl.Series:
    """'HH:MM:SS' from seconds of the day."""
    return pl.Series(values=seconds * 1_000_000_000).cast(pl.Time).dt.to_string("%H:%M:%S")


def gather(pool: pl.Series, positions: I64) -> pl.Series:
    return pool.gather(positions)


def blank_where(series: pl.Series, mask: NDArray[np.bool_]) -> pl.Series:
    """NULL on the marked rows."""
    return pl.select(pl.when(pl.Series(values=~mask)).then(series)).to_series()
