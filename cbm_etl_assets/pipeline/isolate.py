"""Reading around rows that make the driver fail: halve the table by its key until the rows alone are left, load the others.

A value wider than its SQL width fails the whole statement at the source, and so does one the server or the driver cannot convert
(SQLSTATE 22xxx: a damaged date, a computed column). The keys are readable all the same, so they are
listed in the source's own order, and ranges of the leading key column are read, halved where they fail. Bounded: at most
MAX_READS statements, and no further than the table's quarantine threshold allows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cbm_etl_assets.errors import ConversionError, SqlWidthError
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.keys import hashes_in, key_spec
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, KeyRange, Progress, Source
from cbm_etl_assets.transform.names import KEY_HASH

if TYPE_CHECKING:
    import pyarrow as pa

# Of 10,000 rows 1 takes 25 reads, 20 scattered ones 290, 100 scattered ones 1,090, 100 together 220 (measured). A read may
# climb the reader's ladder of buffers once and be two statements, until the cap is remembered; a source sees fewer than 2,000.
MAX_READS = 1_200
# However large the table: every row left out here costs the source several reads, at every load until it is repaired.
MAX_ROWS = 100
# A table that is bad through and through shows it early: after these reads, one bad row in ten ends the search.
_PATIENCE, _DENSE_PERCENT = 250, 10
# A type the driver cannot deliver at all fails for every row, and that is seen sooner: one row in two after these reads.
_CONVERSION_PATIENCE, _CONVERSION_DENSE_PERCENT = 40, 50
_KEYS_A_STATEMENT = 400

RowFailure = SqlWidthError | ConversionError
_FAILURES = (SqlWidthError, ConversionError)


@dataclass(frozen=True)
class Readout:
    """`unread`: rows that are in no file, because the source does not deliver them."""

    found: ExtractResult
    unread: tuple[BadRow, ...] = ()


def read_around(source: Source, request: ExtractRequest, progress: Progress | None = None) -> Readout:
    """As `Source.extract`, less the rows that make it fail.

    Raises: SqlWidthError or ConversionError, as the source did, when there are too many such rows or no key to name them.
    """
    try:
        return Readout(source.extract(request, progress))
    except _FAILURES as error:
        if not request.spec.primary_key:
            key = f"; or give '{request.spec.name}' a primary_key in its spec: then the row is left out and the others are loaded"
            said = f"{error.message} The table has no primary_key in its spec, so the row cannot be left out. Nothing was changed."
            raise _alike(error, said, error.remedy + key) from None
        return _Search(source, request).run(error)


def _alike(error: RowFailure, message: str, remedy: str) -> RowFailure:
    """The same kind of error in other words."""
    if isinstance(error, SqlWidthError):
        return SqlWidthError(message, table=error.table, column=error.column, remedy=remedy)
    return ConversionError(message, remedy=remedy)


def _column_of(error: RowFailure) -> str:
    return error.column if isinstance(error, SqlWidthError) else ""


class _Part(Protocol):
    @property
    def keys(self) -> pa.Table: ...

    def narrow(self, request: ExtractRequest) -> ExtractRequest: ...

    def halves(self) -> tuple[_Part, _Part] | None:
        """None when only one key is left."""
        ...


@dataclass(frozen=True)
class _Named:
    """Rows named by their keys."""

    keys: pa.Table

    def narrow(self, request: ExtractRequest) -> ExtractRequest:
        return replace(request, keys=self.keys)

    def halves(self) -> tuple[_Part, _Part] | None:
        half = self.keys.num_rows // 2
        return (_Named(self.keys.slice(0, half)), _Named(self.keys.slice(half))) if half else None


@dataclass(frozen=True)
class _Range:
    """Groups [start, stop) of equal leading key values; the last one is open above, so that rows added since are read."""

    listed: pa.Table
    starts: Sequence[int]  # of each group among the listed keys
    start: int
    stop: int

    @property
    def keys(self) -> pa.Table:
        end = self.starts[self.stop] if self.stop < len(self.starts) else self.listed.num_rows
        return self.listed.slice(self.starts[self.start], end - self.starts[self.start])

    def narrow(self, request: ExtractRequest) -> ExtractRequest:
        upper = self.edge(self.stop) if self.stop < len(self.starts) else None
        return replace(request, key_range=KeyRange(request.spec.primary_key[0], self.edge(self.start), upper))

    def edge(self, group: int) -> str | None:
        """The leading value a group starts with."""
        from cbm_etl_assets.transform.bad_rows import value_text

        return value_text(self.listed.column(0)[self.starts[group]].as_py())

    def halves(self) -> tuple[_Part, _Part] | None:
        if self.stop - self.start == 1:
            return _Named(self.keys).halves()
        middle = (self.start + self.stop) // 2
        return replace(self, stop=middle), replace(self, start=middle)


@dataclass
class _Search:
    source: Source
    request: ExtractRequest
    reads: int = 0
    total: int = 0
    visited: int = 0
    found: list[ExtractResult] = field(default_factory=list)
    bad: list[tuple[pa.Table, RowFailure]] = field(default_factory=list)

    def run(self, error: RowFailure) -> Readout:
        if self.request.keys is not None:
            self.total = self.request.keys.num_rows
            self._visit(_Named(self.request.keys), error)
        else:
            self._by_range(error)
        return Readout(self._together(), self._named())

    def _by_range(self, error: RowFailure) -> None:
        with tempfile.TemporaryDirectory(prefix="cbm-keys-") as folder:
            listed = self._list(Path(folder))
        self.total = listed.num_rows
        keys = listed.drop_columns([KEY_HASH])
        whole = _Range(keys, starts := _starts(keys), 0, len(starts))
        below = KeyRange(self.request.spec.primary_key[0], None, whole.edge(0) if starts else None)
        if failed := self._read(replace(self.request, key_range=below), 1):
            raise failed  # a NULL key and such a value in one row: nothing can name it
        if starts:
            self._visit(whole, error)
            self._complete(listed)

    def _complete(self, listed: pa.Table) -> None:
        """Rows the ranges did not deliver, should the source order and compare texts in two ways."""
        import pyarrow as pa
        import pyarrow.compute as pc

        present = hashes_in(self.request.out_dir, [file for result in self.found for file in result.files])
        absent = listed.filter(pc.invert(pc.is_in(listed.column(KEY_HASH), value_set=present)))
        given = {tuple(table.to_pylist()[0].values()) for table, _ in self.bad}
        names = [name for name in absent.column_names if name != KEY_HASH]
        rows = [row for row in absent.select(names).to_pylist() if tuple(row.values()) not in given]
        if rows:
            self._visit(_Named(pa.Table.from_pylist(rows, schema=absent.select(names).schema)), None)

    def _list(self, folder: Path) -> pa.Table:
        """Keys of the range, in the source's order of the leading column; rows with a NULL key are in no range but the lowest."""
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        spec = key_spec(self.request.spec, with_cursor=True)
        leading = spec.column(spec.primary_key[0]).name
        done = self.source.extract(ExtractRequest(spec, self.request.range, folder, order_by=leading))
        names = [spec.column(key).name for key in spec.primary_key]
        tables = [pq.read_table(folder / file.name, columns=[*names, KEY_HASH]) for file in done.files]
        listed = pa.concat_tables(tables).set_column(len(names), KEY_HASH, pa.concat_tables(tables).column(KEY_HASH).cast(pa.binary()))
        return listed.filter(pc.is_valid(listed.column(KEY_HASH)))

    def _visit(self, part: _Part, failed: RowFailure | None) -> bool:
        """Read a part, halving it where it fails. `failed`: it is known to fail, and how. Returns whether it held a bad row."""
        error = failed or self._read(part.narrow(self.request), 1 + part.keys.num_rows // _KEYS_A_STATEMENT * isinstance(part, _Named))
        if error is None:
            self.visited += part.keys.num_rows
            return False
        halves = part.halves()
        if halves is None:
            self.visited += 1
            self.bad.append((part.keys, error))
            self._refuse_too_many(error)
            return True
        # What fails as a whole and not in its first half fails in its second: one read saved at every step.
        first = self._visit(halves[0], None)
        self._visit(halves[1], None if first else error)
        return True

    def _read(self, request: ExtractRequest, statements: int) -> RowFailure | None:
        self.reads += statements
        parts = sum(len(result.files) for result in self.found)
        try:
            self.found.append(self.source.extract(replace(request, first_part=request.first_part + parts)))
        except _FAILURES as error:
            if self.reads >= MAX_READS or self._is_dense(error):
                seen = f"{self.reads} reads of parts of it found {len(self.bad)} such rows among {self.visited} of {self.total}"
                raise self._too_many(error, f"{seen}, and there are more") from None
            return error
        return None

    def _is_dense(self, error: RowFailure) -> bool:
        is_width = isinstance(error, SqlWidthError)
        patience, percent = (_PATIENCE, _DENSE_PERCENT) if is_width else (_CONVERSION_PATIENCE, _CONVERSION_DENSE_PERCENT)
        return self.reads >= patience and 100 * len(self.bad) > percent * self.visited

    def _refuse_too_many(self, error: RowFailure) -> None:
        limits = self.request.spec.quarantine
        if limits.exceeded(len(self.bad), self.total) or len(self.bad) > max(MAX_ROWS, limits.max_rows):
            allowed = f"quarantine allows {limits.max_rows} rows or {limits.max_percent:g} %, and {max(MAX_ROWS, limits.max_rows)} at most"
            raise self._too_many(error, f"more than {len(self.bad) - 1} of {self.total} rows are so, and its {allowed}")

    def _too_many(self, error: RowFailure, why: str) -> RowFailure:
        if isinstance(error, SqlWidthError):
            column = f"column '{error.column}' holds values" if error.column else "it holds values"
            what = f"{column} wider than the SQL width"
        else:
            what = f"it holds values that cannot be read: {error.message}"
        return _alike(error, f"Table '{self.request.spec.name}': {what}; {why}. Nothing was changed.", error.remedy)

    def _together(self) -> ExtractResult:
        blank = ExtractResult((), 0, "", (), None, "", [])
        whole = self.found[0] if self.found else blank
        for one in self.found[1:]:
            whole = join(whole, one)
        return whole

    def _named(self) -> tuple[BadRow, ...]:
        """The bad rows with their key hashes, which the source is asked for once more: of the keys alone."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self.bad:
            return ()
        spec, keys = self.request.spec, pa.concat_tables([table for table, _ in self.bad])
        with tempfile.TemporaryDirectory(prefix="cbm-keys-") as folder:
            done = self.source.extract(ExtractRequest(key_spec(spec), self.request.range, Path(folder), keys=keys))
            read = [row for file in done.files for row in pq.read_table(Path(folder) / file.name).to_pylist()]
        errors = {_texts(row): error for table, error in self.bad for row in table.to_pylist()}
        alone = self.bad[0][1] if len(self.bad) == 1 else None
        names = [spec.column(key).name for key in spec.primary_key]
        return tuple(_bad_row(spec, row, alone or errors.get(_texts({n: row[n] for n in names}), self.bad[0][1])) for row in read)


def _starts(keys: pa.Table) -> list[int]:
    """Where a run of keys begins that a source may hold to be equal in their leading column: case and trailing blanks aside."""
    import pyarrow as pa
    import pyarrow.compute as pc

    leading = keys.column(0).combine_chunks()
    if not len(leading):
        return []
    if pa.types.is_string(leading.type) or pa.types.is_large_string(leading.type):
        leading = pc.utf8_lower(pc.utf8_rtrim(leading, " "))
    changes = pc.not_equal(leading.slice(1), leading.slice(0, len(leading) - 1))
    return [0, *(int(i) + 1 for i in pc.indices_nonzero(changes).to_numpy())]


def _texts(row: dict[str, object]) -> tuple[str | None, ...]:
    from cbm_etl_assets.transform.bad_rows import value_text

    return tuple(value_text(value) for value in row.values())


def _bad_row(spec: TableSpec, row: dict[str, object], error: RowFailure) -> BadRow:
    from cbm_etl_assets.transform.bad_rows import RowError, bad_row

    column = _column_of(error)
    known = next((c.name for c in spec.kept_columns if c.name.lower() == column.lower()), column)
    where = f"column '{known}'" if known else "a column"
    said = f"{where} holds a value wider than its SQL width" if isinstance(error, SqlWidthError) else error.message
    why = RowError(known, type(error).__name__, f"{said} -> {error.remedy}")
    key_hash = row.pop(KEY_HASH)
    return bad_row(spec, row, why, key_hash if isinstance(key_hash, bytes) else None)


def join(first: ExtractResult, second: ExtractResult) -> ExtractResult:
    """Two results of one load as one; the statement shown is the first's, where it has one."""
    cleaned = {c: first.cleaned.get(c, 0) + second.cleaned.get(c, 0) for c in first.cleaned.keys() | second.cleaned.keys()}
    high = max((m for m in (first.high_water, second.high_water) if m is not None), default=None)
    return replace(
        first if first.query else second, files=first.files + second.files, rows=first.rows + second.rows, cleaned=cleaned,
        bad=first.bad + second.bad, high_water=high,
    )  # fmt: skip
