"""Batches out of a driver: arrow-odbc first, pyodbc where a value is longer than any buffer worth binding.

Owns the ladder of text caps and the two readers. Runs inside the reader process only. Never yields a cut value: a buffer
that is too small raises TextTooLongError and the caller reads again one step up the ladder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from cbm_etl_assets.errors import CbmError, TextTooLongError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.source import dialects, errors_map
from cbm_etl_assets.source.binding import bind_schema, raw_schema
from cbm_etl_assets.source.driver import import_arrow_odbc, import_pyodbc

CAP_STEP = 4
CAP_LIMIT = 1024 * 1024
# UTF-8 needs up to 4 bytes a character; drivers report characters.
_BYTES_PER_CHARACTER = 4
_FIXED_BYTES = 40
# Fewer rows than this in a buffer and the fast reader is no faster than pyodbc, which needs no buffer at all.
_MIN_ROWS = 8
# Greater than any cap, so that the largest cap a table ever needed is a plain maximum.
UNBOUND = 2**31
# With fewer rows in a buffer, handing over 600 columns costs more than reading them: measured 1.7 s of CPU a 3.6 million
# cells at 52 rows (cap 2048, 300 wide texts), 0.7 s at 400 rows (cap 256).
_GOOD_ROWS = 128


@dataclass(frozen=True)
class ReadJob:
    """One statement to read. `connection_string` is not shown in a repr; it never leaves the process."""

    spec: TableSpec
    sql: str
    parameters: tuple[str, ...]
    connection_string: str = field(repr=False)
    batch_cells: int = 500_000
    batch_bytes: int = 64 * 1024 * 1024
    text_bytes: int = 2048
    array_size: int = 1000
    login_timeout_seconds: int = 15
    query_timeout_seconds: int = 3600

    @property
    def profile(self) -> dialects.DriverProfile:
        return dialects.profile_of(self.connection_string)

    @property
    def is_session_utc(self) -> bool:
        return dialects.is_session_utc(self.connection_string, self.profile)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.spec.kept_columns)

    @property
    def batch_rows(self) -> int:
        return max(1, self.batch_cells // len(self.spec.kept_columns))

    def completed(self, text_bytes: int) -> str:
        values = {
            "array_size": str(self.array_size), "text_bytes": str(text_bytes), "session_zone": "UTC",
            "login_timeout": str(self.login_timeout_seconds), "query_timeout": str(self.query_timeout_seconds),
        }  # fmt: skip
        return dialects.complete(self.connection_string, self.profile, values)

    def explain(self, error: Exception) -> CbmError:
        return errors_map.classify(str(error), table=self.spec.name, columns=self.columns)


def caps(job: ReadJob) -> list[int]:
    """Text caps to try in order; UNBOUND at the end stands for the reader without buffers.

    Small first: 3 of 300 texts declared 31,000 wide must not make every batch 7 rows long.
    """
    variable = [c for c in job.spec.kept_columns if _is_variable(c.source_logical.kind, c.extent)]
    widths = [_declared_bytes(c.sql_width, c.source_logical.width) for c in variable]
    fixed = _FIXED_BYTES * len(job.spec.kept_columns)

    def rows(cap: int) -> int:
        return job.batch_bytes // 2 // (fixed + sum(min(w, cap) for w in widths))

    widest = max(widths, default=0)
    first = job.text_bytes if rows(job.text_bytes) >= _GOOD_ROWS else max(1, job.text_bytes // CAP_STEP)
    ladder = [first]
    while ladder[-1] < min(widest, CAP_LIMIT) and rows(ladder[-1] * CAP_STEP) >= _MIN_ROWS:
        ladder.append(ladder[-1] * CAP_STEP)
    return [*ladder, UNBOUND]


def _declared_bytes(*widths: int | None) -> int:
    known = [w for w in widths if w]
    return max(known) * _BYTES_PER_CHARACTER if known else CAP_LIMIT * CAP_STEP


def _is_variable(kind: Kind, extent: int) -> bool:
    return bool(extent) or kind in (Kind.VARCHAR, Kind.BINARY)


def read(job: ReadJob, cap: int) -> Iterator[pa.RecordBatch]:
    """Yields: batches as bound (not yet cast to the raw schema), at most batch_cells cells and batch_bytes bytes.

    Raises: TextTooLongError when the cap is too small; every other typed error of `errors_map`.
    """
    return _read_rows(job) if cap == UNBOUND else _read_arrow(job, cap)


def _read_arrow(job: ReadJob, cap: int) -> Iterator[pa.RecordBatch]:
    arrow_odbc = import_arrow_odbc()
    profile = job.profile
    try:
        reader = arrow_odbc.read_arrow_batches_from_odbc(
            job.sql,
            job.completed(cap),
            parameters=list(job.parameters) or None,
            batch_size=job.batch_rows,
            # fetch_concurrently allocates the buffer twice; both together keep to the bound.
            max_bytes_per_batch=job.batch_bytes // 2,
            max_text_size=cap,
            max_binary_size=cap,
            login_timeout_sec=job.login_timeout_seconds,
            query_timeout_sec=job.query_timeout_seconds or None,
            map_schema=lambda delivered: bind_schema(delivered, job.spec, profile.text_kinds),
            fetch_concurrently=True,
        )
        yield from _coalesce(reader, job)
    except arrow_odbc.Error as error:
        raise _explained(job, error) from error


def _explained(job: ReadJob, error: Exception) -> CbmError:
    if errors_map.is_truncation(str(error)):
        return TextTooLongError(f"Table '{job.spec.name}': a value is longer than the buffer of this pass.")
    return job.explain(error)


def _coalesce(batches: Iterator[pa.RecordBatch], job: ReadJob) -> Iterator[pa.RecordBatch]:
    """Wide text makes the driver's buffer hold few rows; hashing and writing want full batches all the same."""
    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        waiting.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if 2 * rows >= job.batch_rows or size >= job.batch_bytes // 2:
            yield waiting[0] if len(waiting) == 1 else pa.concat_batches(waiting)
            waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_batches(waiting)


def _read_rows(job: ReadJob) -> Iterator[pa.RecordBatch]:
    """The slow reader: values as Python objects, of any length; 5,000 rows/s where the fast one makes 18,000."""
    pyodbc = import_pyodbc()
    pyodbc.pooling = False
    schema = raw_schema(job.spec)
    try:
        connection = pyodbc.connect(job.completed(CAP_LIMIT), timeout=job.login_timeout_seconds, autocommit=True)
        try:
            cursor = connection.cursor()
            cursor.execute(job.sql, *job.parameters)
            while rows := cursor.fetchmany(max(1, job.batch_rows // 4)):
                yield _rows_to_batch(rows, schema)
        finally:
            connection.close()
    except pyodbc.Error as error:
        raise job.explain(error) from error


def _rows_to_batch(rows: list[tuple[object, ...]], schema: pa.Schema) -> pa.RecordBatch:
    """Columns as the driver gave them where they fit; as text otherwise, for `RawCaster` to cast or to explain."""
    arrays = []
    for values, wanted in zip(zip(*rows, strict=True), schema, strict=True):
        is_aware = pa.types.is_timestamp(wanted.type) and wanted.type.tz
        as_text = is_aware or pa.types.is_string(wanted.type) or pa.types.is_decimal(wanted.type)
        arrays.append(_texts(values) if as_text else _as_given(values, wanted.type))
    return pa.RecordBatch.from_arrays(arrays, names=schema.names)


def _as_given(values: tuple[object, ...], wanted: pa.DataType) -> pa.Array:
    """One value that does not fit must not fail the batch here, where nothing can tell which row it is."""
    try:
        return pa.array(values, wanted)
    except (pa.ArrowException, OverflowError):
        return _texts(values)


def _texts(values: tuple[object, ...]) -> pa.Array:
    return pa.array([None if v is None else str(v) for v in values], pa.string())
