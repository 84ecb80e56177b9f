"""Fresh rows of a table in a temporary folder, and their columns in blocks, so that wide tables are profiled in bounded memory.

Owns the extraction beside the lake, the split and the reading of raw columns. Judges nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.pipeline.isolate import read_around
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.stages import Stage, retry_policy
from cbm_etl_assets.reliability.retry import call_with_retry
from cbm_etl_assets.source.port import ExtractRequest, ReadRange

if TYPE_CHECKING:
    import pyarrow as pa

# 20 million cells are 160 MB of numbers; with a sorted copy they stay under 1 GiB.
BLOCK_CELLS = 20_000_000


@dataclass(frozen=True)
class Fresh:
    """Raw files just read; `bad`: rows that cannot be loaded; those the driver could read stand in the files without a row hash."""

    files: list[Path]
    bad: tuple[BadRow, ...] = ()


@contextmanager
def fresh_extraction(platform: Platform, spec: TableSpec) -> Iterator[list[Path]]:
    """As `fresh_rows`, the files alone."""
    with fresh_rows(platform, spec) as fresh:
        yield fresh.files


@contextmanager
def fresh_rows(platform: Platform, spec: TableSpec, keys: pa.Table | None = None) -> Iterator[Fresh]:
    """The table (or its rows of these keys) as the source holds it now, in temporary Parquet files. Raises: as Source.extract."""
    scratch = platform.settings.home / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"read-{spec.name}-", dir=scratch) as folder:
        request = ExtractRequest(spec, ReadRange(), Path(folder), keys=keys)
        policy = retry_policy(platform.settings, spec, Stage.EXTRACT)
        result = call_with_retry(lambda: read_around(platform.source, request), policy, clockwork=platform.clockwork)
        yield Fresh([Path(folder) / file.name for file in result.found.files], result.found.bad + result.unread)


def column_blocks(columns: Sequence[ColumnSpec], rows: int, cells: int | None = None) -> list[tuple[ColumnSpec, ...]]:
    """Consecutive columns whose ODS-bound form holds at most `cells` values (BLOCK_CELLS; an extent of n counts n), or one column."""
    bound = cells or BLOCK_CELLS
    blocks: list[tuple[ColumnSpec, ...]] = []
    current: tuple[ColumnSpec, ...] = ()
    for column in columns:
        width = sum(len(c.target_names) for c in (*current, column))
        if current and width * max(1, rows) > bound:
            blocks.append(current)
            current = ()
        current = (*current, column)
    return [*blocks, current] if current else blocks


def read_raw(files: Sequence[Path], columns: Sequence[ColumnSpec]) -> Iterator[pa.Table]:
    """One Arrow table a file, as the source gave it."""
    import pyarrow.parquet as pq

    for path in files:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            yield parquet.read(columns=[c.name for c in columns])


def count_rows(files: Sequence[Path]) -> int:
    import pyarrow.parquet as pq

    return sum(pq.read_metadata(path).num_rows for path in files)


def narrowed(spec: TableSpec, columns: Sequence[ColumnSpec]) -> TableSpec:
    """The spec of these columns alone: no key, no cursor, so that any subset is valid."""
    return TableSpec(table=spec.table, source_schema=spec.source_schema, target=spec.name, columns=tuple(columns))
