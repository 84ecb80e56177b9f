"""One statement -> one raw Parquet file, inside the reader process: read, cast, hash and write, overlapped.

Owns the threads of an extraction, its high-water mark and its ladder of retries with larger text buffers. Knows nothing of
the protocol with the parent.

The driver fetches in arrow-odbc's own thread, this thread builds Arrow arrays, a second hashes, a third compresses and
writes; all of it runs outside the GIL. At most PENDING batches wait, so memory does not grow with the table.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from cbm_etl_assets.errors import ConversionError, TextTooLongError, TooManyBadRowsError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.reliability.files import fsync_dir
from cbm_etl_assets.source import readers
from cbm_etl_assets.source.binding import RawCaster, raw_schema
from cbm_etl_assets.source.raw_writer import RawWriter
from cbm_etl_assets.transform.bad_rows import RowError, hash_rows
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH
from cbm_etl_assets.transform.rows import RowTransform

PENDING = 2


@dataclass(frozen=True)
class ExtractJob:
    """`part` numbers the file; `zone` turns aware cursors into the source's wall clock; `first_cap` skips caps known too small;
    rows with an `unstorable` value are bad rows."""

    read: readers.ReadJob
    out_dir: Path
    part: int = 0
    case_insensitive_keys: bool = True
    zone: str = "Europe/Paris"
    first_cap: int | None = None
    unstorable: tuple[Unstorable, ...] = ()


@dataclass(frozen=True)
class Extracted:
    file: RawFile
    high_water: dt.datetime | None
    reader: str
    cap: int
    cleaned: dict[str, int]
    bad: tuple[BadRow, ...] = ()


def file_schema(spec: TableSpec) -> pa.Schema:
    return raw_schema(spec).append(pa.field(KEY_HASH, pa.binary(32))).append(pa.field(HASHDIFF, pa.binary(32)))


def extract(job: ExtractJob, progress: Callable[[int, int], None]) -> Extracted:
    """Climbs the ladder of text caps until every value fits. Raises: the typed errors of `readers` and `transform`."""
    ladder = readers.caps(job.read)
    ladder = [cap for cap in ladder if cap >= (job.first_cap or 0)] or ladder[-1:]
    for cap in ladder[:-1]:
        try:
            return _Pass(job, cap, progress).run()
        except TextTooLongError:
            continue  # the file of the pass is gone; the next cap reads everything again, nothing is ever cut
    return _Pass(job, ladder[-1], progress).run()


class _Pass:
    """One reading of the whole statement with one text cap."""

    def __init__(self, job: ExtractJob, cap: int, progress: Callable[[int, int], None]) -> None:
        self.job = job
        self.cap = cap
        self.progress = progress
        self.spec = job.read.spec
        self.transform = RowTransform(self.spec, case_insensitive_keys=job.case_insensitive_keys, unstorable=job.unstorable)
        self.caster = RawCaster(self.spec, job.read.is_session_utc)
        self.high_water = HighWater(self.spec, ZoneInfo(job.zone))
        self.rows_read = 0
        self.bad: list[BadRow] = []
        self.bad_limit = self.spec.quarantine.limit

    def run(self) -> Extracted:
        path = self.job.out_dir / f"part-{self.job.part:05d}.parquet"
        with RawWriter(path, file_schema(self.spec)) as writer:
            self._stream(writer)
            file = writer.finish()
        fsync_dir(self.job.out_dir)
        reader = "pyodbc" if self.cap == readers.UNBOUND else "arrow-odbc"
        return Extracted(file, self.high_water.value, reader, self.cap, dict(self.transform.cleaned), tuple(self.bad))

    def _stream(self, writer: RawWriter) -> None:
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(1, "hash") as hashing, ThreadPoolExecutor(1, "write") as writing:
            for batch in readers.read(self.job.read, self.cap):
                self.rows_read += batch.num_rows
                self.progress(self.rows_read, writer.bytes)
                hashed = hashing.submit(self._hash, batch)
                pending.append(writing.submit(self._write, writer, hashed))
                if len(pending) > PENDING:
                    pending.popleft().result()
            while pending:
                pending.popleft().result()
                self.progress(self.rows_read, writer.bytes)

    def _hash(self, bound: pa.RecordBatch) -> pa.RecordBatch:
        known: dict[int, RowError] = {}
        try:
            batch = self.caster.cast(bound)
        except ConversionError:  # row by row: the others are loaded all the same
            batch, known = self.caster.cast_rows(bound, self.bad_limit)
        self.high_water.see(batch)
        hashed = hash_rows(self.transform, batch, known)
        self._keep_bad(hashed.bad)
        return pa.RecordBatch.from_arrays([*batch.columns, hashed.key, hashed.diff], schema=file_schema(self.spec))

    def _keep_bad(self, rows: tuple[BadRow, ...]) -> None:
        self.bad += rows
        if len(self.bad) > self.bad_limit:
            raise TooManyBadRowsError(
                f"Table '{self.spec.name}': more than {self.bad_limit} rows cannot be loaded; the first: {self.bad[0].message}. "
                "Nothing was changed.",
                remedy="correct the column's type or the key in the spec (cbm-etl tables sync), or raise quarantine.max_rows",
            )

    @staticmethod
    def _write(writer: RawWriter, hashed: Future[pa.RecordBatch]) -> None:
        writer.write(hashed.result())


class HighWater:
    """The greatest cursor value seen, as a naive stamp of the source's zone.

    A DATE counts as its midnight even where a time column stands beside it: a mark rounded up would skip rows of that day.
    """

    def __init__(self, spec: TableSpec, zone: ZoneInfo) -> None:
        self.value: dt.datetime | None = None
        self._columns = [spec.column(c).name for c in spec.cursor.columns] if spec.cursor else []
        self._zone = zone

    def see(self, batch: pa.RecordBatch) -> None:
        for name in self._columns:
            greatest = self._stamp(pc.max(batch.column(name)).as_py())
            if greatest is not None and (self.value is None or greatest > self.value):
                self.value = greatest

    def _stamp(self, value: object) -> dt.datetime | None:
        if isinstance(value, str):
            value = dt.datetime.fromisoformat(value)
        if isinstance(value, dt.datetime):
            return value.astimezone(self._zone).replace(tzinfo=None) if value.tzinfo else value
        return dt.datetime.combine(value, dt.time()) if isinstance(value, dt.date) else None
