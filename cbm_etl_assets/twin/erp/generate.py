"""The rows of the ERP, as a stream of polars frames.

Owns chunking and the options of a generated database. Same (table, scale, seed, today) = same rows, whatever the chunk.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import polars as pl

from cbm_etl_assets.twin.erp.draw import Chunk, World
from cbm_etl_assets.twin.erp.profile import row_counts
from cbm_etl_assets.twin.erp.schema import planned

CHUNK_CELLS = 4_000_000  # about 100 MB of columns: produit in chunks of 6,500 rows, stock of 89,000


def world(scale: str = "demo", seed: int = 1, *, today: dt.date, over_width: bool = False) -> World:
    """Raises: ConfigurationError on an unknown scale."""
    return World(seed=seed, counts=row_counts(scale), today=today, over_width=over_width)


def generate(table: str, scale: str = "demo", seed: int = 1, *, today: dt.date, over_width: bool = False) -> Iterator[pl.DataFrame]:
    """Yields: frames of at most CHUNK_CELLS cells, columns in ORDER order. Raises: UnknownTableError, ConfigurationError."""
    return generate_world(table, world(scale, seed, today=today, over_width=over_width))


def generate_world(table: str, of: World, chunk_rows: int | None = None) -> Iterator[pl.DataFrame]:
    columns = planned(table)
    step = chunk_rows or max(1, CHUNK_CELLS // len(columns))
    total = of.counts[table]
    for start in range(0, total, step):
        chunk = Chunk(of, table, np.arange(start, min(start + step, total), dtype=np.uint64))
        yield pl.DataFrame([col.recipe(chunk, column).alias(column.name) for col, column in columns])
