"""What the pipeline needs from a source, and the requests and answers that cross that seam.

Owns plain data and the Protocol. The ODBC implementation is `source.odbc`; tests may put a fake here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class ReadRange:
    """Which rows. All bounds are naive stamps in the source's zone.

    full: everything (both None, include_nulls True). incremental: any cursor column >= lower, NULL cursors as the flag
    says. partition: any cursor column in [lower, upper); the first partition has lower None and include_nulls True.
    """

    lower: dt.datetime | None = None
    upper: dt.datetime | None = None
    include_nulls: bool = True


@dataclass(frozen=True)
class KeyRange:
    """[lower, upper) of one column, None = open; rows with NULL there go with the part that is open below."""

    column: str
    lower: str | None = None
    upper: str | None = None


@dataclass(frozen=True)
class ExtractRequest:
    """One extraction into `out_dir` (a local folder that exists; it holds nothing numbered `first_part` or above).

    `keys`, where given, replaces the range: exactly the rows with these keys (columns: the key's source names).
    `key_range` narrows the range to a part of the table. `order_by` (a column) asks for the source's order, in one part.
    """

    spec: TableSpec
    range: ReadRange
    out_dir: Path
    keys: pa.Table | None = None
    first_part: int = 0
    key_range: KeyRange | None = None
    order_by: str = ""


@dataclass(frozen=True)
class ExtractResult:
    """What the reader process wrote. `cleaned` counts values changed by declared cleaning, per target column.

    `bad`: rows that cannot be loaded. They are in the files with a NULL `_hashdiff`, and count in `rows`.
    """

    files: tuple[RawFile, ...]
    rows: int
    query: str
    parameters: tuple[str, ...]
    high_water: dt.datetime | None
    reader: str
    columns: list[dict[str, str]]
    cleaned: dict[str, int] = field(default_factory=dict)
    bad: tuple[BadRow, ...] = ()


Progress = Callable[[int, int], None]  # rows and bytes so far


class Source(Protocol):
    def clock(self) -> dt.datetime:
        """The source's own wall clock, naive, in the source's zone."""
        ...

    def table_names(self, schema: str) -> list[str]: ...

    def catalogue(self, schema: str, table: str) -> SourceTable:
        """Raises: SourceSchemaError when the table is not there, naming the known ones."""
        ...

    def declared(self, spec: TableSpec) -> SourceTable | None:
        """The table's columns as the source declares them now; None where a cheap look says that nothing changed.

        Asked before every load: one round trip. Raises: SourceSchemaError when the table is not there.
        """
        ...

    def extract(self, request: ExtractRequest, progress: Progress | None = None) -> ExtractResult:
        """Reads into Parquet in a child process. Raises: TransientSourceError, RecordLockError, SqlWidthError,
        SourceSchemaError, ConversionError, TooManyBadRowsError, MissingDependencyError."""
        ...

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        """A small read-only result (probes, preflight, proofs)."""
        ...

    def close(self) -> None: ...
