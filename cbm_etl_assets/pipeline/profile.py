"""What the columns of a table hold: nulls, distinct values, extremes, frequent values, empty, constant and over-wide ones.

Owns the figures. Reads the last full raw load where it fits the spec, else the source once. Masked columns show counts only.
The page is pipeline.profile_html.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import CorruptRawFileError
from cbm_etl_assets.metadata.manifest import Manifest
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.pipeline.blocks import column_blocks, count_rows, fresh_extraction, narrowed, read_raw
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.profile_html import render_html

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ColumnProfile", "TableProfile", "profile", "render_html"]
TOP = 5
VALUE_CHARS = 60


@dataclass(frozen=True)
class ColumnProfile:
    """One ODS-bound column (an element of an array has its own). Values are text for display, cut at 60 characters.

    `distinct` does not count NULL. `width` is the SQL width, `longest` the longest value as the source gave it, in characters.
    """

    name: str
    source: str
    type: str
    rows: int
    nulls: int
    distinct: int
    minimum: str | None = None
    maximum: str | None = None
    top: tuple[tuple[str, int], ...] = ()
    width: int | None = None
    longest: int | None = None
    over_width: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return self.rows > 0 and self.nulls == self.rows

    @property
    def is_constant(self) -> bool:
        return self.distinct == 1 and not self.nulls

    @property
    def is_unique(self) -> bool:
        """Every value occurs once: the frequent ones say nothing."""
        return self.distinct > 1 and self.distinct == self.rows - self.nulls


@dataclass(frozen=True)
class TableProfile:
    """`origin` says which rows were read; `read_at` is when they left the source (naive, source zone)."""

    table: str
    rows: int
    origin: str
    read_at: dt.datetime
    columns: tuple[ColumnProfile, ...]


def profile(platform: Platform, spec: TableSpec) -> TableProfile:
    """Raises: LoadError when there is no raw load and the source cannot be read, ConversionError."""
    with _rows(platform, spec) as (files, origin, read_at):
        rows = count_rows(files)
        columns = [p for block in column_blocks(spec.kept_columns, rows) for p in _block(platform, spec, files, block)]
    return TableProfile(spec.name, rows, origin, read_at, tuple(columns))


@contextmanager
def _rows(platform: Platform, spec: TableSpec) -> Iterator[tuple[list[Path], str, dt.datetime]]:
    manifest = _last_full(platform, spec)
    if manifest is not None:
        with platform.lake.files(manifest) as files:
            yield files, f"raw load {manifest.seq}", manifest.t0
        return
    read_at = platform.source.clock()
    with fresh_extraction(platform, spec) as files:
        yield files, "one extraction, just now", read_at


def _last_full(platform: Platform, spec: TableSpec) -> Manifest | None:
    """The newest whole copy with every column of the spec; a damaged one is passed over, the source is read instead."""
    try:
        found = [m for m in platform.lake.manifests(spec.name) if m.mode == "full"]
        if not found or not {c.name for c in spec.kept_columns} <= {c["name"] for c in found[-1].columns}:
            return None
        platform.lake.verify(found[-1])
    except CorruptRawFileError:
        return None
    return found[-1]


def _block(platform: Platform, spec: TableSpec, files: Sequence[Path], block: Sequence[ColumnSpec]) -> Iterator[ColumnProfile]:
    import polars as pl

    # Without masks: a redacted column would look constant. Its values are never shown.
    bare = [c.model_copy(update={"mask": None}) for c in block]
    transform = platform.transform(narrowed(spec, bare))
    raw = list(read_raw(files, block))
    frame = pl.concat([transform.columns(table) for table in raw], how="vertical")
    for column in block:
        lengths = _lengths([pl.DataFrame(pl.from_arrow(t.select([column.name]))).to_series() for t in raw], column)
        for name in column.target_names:
            yield _column(column, name, frame.get_column(name), lengths)


def _lengths(parts: Sequence[pl.Series], column: ColumnSpec) -> pl.Series | None:
    """Characters of each value as the source gave it (the joined text of an array); None where there is no width to compare."""
    import polars as pl

    if not column.sql_width or not all(part.dtype == pl.String for part in parts):
        return None
    return pl.concat([part.str.len_chars().cast(pl.Int64) for part in parts])


def _column(column: ColumnSpec, name: str, values: pl.Series, lengths: pl.Series | None) -> ColumnProfile:
    nulls = values.null_count()
    # Ties by value, so that two profiles of the same rows are the same page.
    counts = values.drop_nulls().value_counts(name="n").sort("n", values.name, descending=[True, False])
    width = column.sql_width
    over = int((lengths > width).sum()) if lengths is not None and width else 0
    shown = column.mask is None
    return ColumnProfile(
        name=name, source=column.name, type=column.type, rows=len(values), nulls=nulls, distinct=counts.height,
        minimum=_extreme(values, column, greatest=False) if shown else None,
        maximum=_extreme(values, column, greatest=True) if shown else None,
        top=tuple((_text(value), int(n)) for value, n in counts.head(TOP).rows()) if shown else (),
        width=width, longest=_longest(lengths), over_width=over,
        remarks=tuple(_remarks(column, (len(values), nulls, counts.height), (over, lengths))),
    )  # fmt: skip


def _remarks(column: ColumnSpec, counts: tuple[int, int, int], widths: tuple[int, pl.Series | None]) -> Iterator[str]:
    (rows, nulls, distinct), (over, lengths) = counts, widths
    if rows and nulls == rows:
        yield "empty"
    elif distinct == 1 and rows > 1:
        yield "constant" if not nulls else "one value or NULL"
    elif distinct > 1 and distinct == rows - nulls:
        yield "unique" if not nulls else "unique where filled"
    if column.mask:
        yield f"masked ({column.mask})"
    if over:
        yield f"{over} over-wide (longest {_longest(lengths)}, SQL width {column.sql_width})"
    full = int((lengths == column.sql_width).sum()) if lengths is not None else 0
    if full and (column.sql_width or 0) > 1:
        yield f"{full} exactly as long as the SQL width: perhaps cut"


def _longest(lengths: pl.Series | None) -> int | None:
    found = lengths.max() if lengths is not None else None
    return int(found) if isinstance(found, int) else None


def _extreme(values: pl.Series, column: ColumnSpec, *, greatest: bool) -> str | None:
    if column.logical.kind is Kind.BINARY:
        return None
    found = values.max() if greatest else values.min()
    return None if found is None else _text(found)


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = str(value)
    return text if len(text) <= VALUE_CHARS else text[: VALUE_CHARS - 1] + "…"
