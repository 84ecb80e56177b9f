"""`.d` data dumps, streamed: records as tuples or as Arrow tables, counted against the trailer.

Owns records, tokens and their count; the values of tokens are read in `dvalues`. A file without a trailer is a half file
and is refused. Fields stand in ORDER order (POSITION or file order breaks 7 of 45 real files), and each element of an
array is a token of its own.
"""

from __future__ import annotations

import codecs
import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.dvalues import FarDate, TokenReader, Value, token_readers
from cbm_etl_assets.metadata.trailer import Trailer, decode, find_trailer

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[Value | list[Value], ...]
UNKNOWN = "?"
_TOKEN = re.compile(r'"[^"]*(?:""[^"]*)*"(?=[ \r]|\Z)|[^" \r]+(?=[ \r]|\Z)')
_REMEDY = "dump the table again; do not edit .d files by hand"
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True)
class Dump:
    """One `.d` file, opened: the trailer is read, the records are not yet."""

    path: Path
    table: SourceTable
    trailer: Trailer
    encoding: str
    readers: tuple[TokenReader, ...]

    @property
    def records(self) -> int | None:
        """What the trailer promises."""
        return self.trailer.records

    def rows(self) -> Iterator[Row]:
        """Yields: one tuple a record, columns in ORDER order, an array as a list of its elements.

        Raises: DumpFormatError naming file, line, token and what was expected; at the end, when the number of records is
        not the trailer's.
        """
        read = 0
        arrays = [c.extent for c in self.table.columns] if any(c.extent for c in self.table.columns) else []
        for line, text in _records(self):
            values = self._values(line, text)
            yield tuple(_grouped(values, arrays)) if arrays else tuple(values)
            read += 1
        if self.records is not None and read != self.records:
            raise DumpFormatError(
                f"{self.path}: holds {read} records, expected {self.records} as its trailer says (records=)", remedy=_REMEDY
            )

    def batches(self, size: int = 10_000) -> Iterator[list[Row]]:
        """Yields: lists of at most `size` rows."""
        rows = self.rows()
        while batch := list(islice(rows, size)):
            yield batch

    def arrow_batches(self, size: int = 10_000) -> Iterator[pa.Table]:
        """Yields: Arrow tables of at most `size` rows in the columns' logical types, an array as a list of elements."""
        import pyarrow as pa

        fields = [(c.name, pa.list_(c.type.arrow()) if c.extent else c.type.arrow()) for c in self.table.columns]
        for batch in self.batches(size):
            columns = zip(*batch, strict=True)
            arrays = [self._array(c, list(values)) for c, values in zip(self.table.columns, columns, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _array(self, column: SourceColumn, values: list[Any]) -> pa.Array:
        import pyarrow as pa

        kind = pa.list_(column.type.arrow()) if column.extent else column.type.arrow()
        if column.abl_type == "date":
            values = [[_day(v) for v in value] if column.extent else _day(value) for value in values]
        try:
            return pa.array(values, type=kind)
        except (pa.ArrowInvalid, OverflowError) as error:
            raise DumpFormatError(
                f"{self.path}: column '{column.name}' holds a value that does not fit {column.type}: {error}",
                remedy="give the column a wider MAX-WIDTH or DECIMALS in the .df file",
            ) from error

    def _values(self, line: int, text: str) -> list[Value]:
        tokens = _tokens(text)
        if tokens is None or len(tokens) != len(self.readers):
            self._fail_record(line, text, tokens)
        try:
            return [None if token == UNKNOWN else read(token) for read, token in zip(self.readers, tokens, strict=True)]
        except ValueError:
            self._fail_token(line, tokens)

    def _fail_record(self, line: int, text: str, tokens: list[str] | None) -> NoReturn:
        if tokens is None:
            token, at = _bad_token(text)
            here = line + text.count("\n", 0, at)
            self._fail(here, token, 'a blank or the end of the record after a text in quotes (a quote inside is written "")')
        found = f"{len(tokens)} values, last {tokens[-1] if tokens else 'none'}"
        raise DumpFormatError(
            f"{self.path}:{line}: found {_short(found)}, expected {len(self.readers)}: the fields of {self.table.name} in ORDER order, "
            "one value for each element of an array",
            remedy="the .df file must be of the same day as the dump",
        )

    def _fail_token(self, line: int, tokens: list[str]) -> NoReturn:
        names = [c.name for c in self.table.columns for _ in range(max(1, c.extent))]
        for name, read, token in zip(names, self.readers, tokens, strict=True):
            try:
                read(token) if token != UNKNOWN else None
            except ValueError as error:
                self._fail(line, token, f"{error}, for field '{name}' of {self.table.name}")
            line += token.count("\n")
        raise AssertionError("a token failed and then did not")

    def _fail(self, line: int, token: str, expected: str) -> NoReturn:
        raise DumpFormatError(f"{self.path}:{line}: found {_short(token)}, expected {expected}", remedy=_REMEDY)


def read_dump(path: Path, table: SourceTable, blob_dir: Path | None = None) -> Dump:
    """Opens a dump of `table`; large objects are looked for in `blob_dir`, beside the dump by default.

    Raises: DumpFormatError when the file cannot be read or its trailer is missing or broken.
    """
    try:
        trailer = find_trailer(path)
        if trailer is None:
            raise DumpFormatError(
                f"{path}: has no trailer (PSC, records=, cpstream=): the file is not whole, or is no data dump", remedy=_REMEDY
            )
        encoding = trailer.encoding or _guess(path, trailer.body_bytes)
    except OSError as error:
        raise DumpFormatError(f"{path}: cannot be read: {error.strerror}", remedy="check the path and its permissions") from error
    try:
        readers = token_readers(table.columns, trailer, encoding, blob_dir or path.parent)
    except ValueError as error:
        raise DumpFormatError(f"{path}: {error}", remedy=_REMEDY) from None
    return Dump(path, table, trailer, encoding, tuple(readers))


def _guess(path: Path, size: int) -> str:
    """Code page UNDEFINED: UTF-8 when the whole file is valid, else ISO8859-1, OpenEdge's own default."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with path.open("rb") as file:
        try:
            while size > 0 and (block := file.read(min(size, 1 << 20))):
                size -= len(block)
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin_1"
    return "utf-8"


def _records(dump: Dump) -> Iterator[tuple[int, str]]:
    """Line number and text of each record: lines are joined until the quotes are even."""
    left, line, parts, start, is_open = dump.trailer.body_bytes, 0, list[bytes](), 0, False
    where, is_crlf = str(dump.path), dump.trailer.line_end == "\r\n"
    with dump.path.open("rb") as file:
        for raw in file:
            if left <= 0:
                break
            line, left = line + 1, left - len(raw)
            if not is_open:
                start, parts = line, []
            is_open ^= raw.count(b'"') % 2 == 1
            parts.append(raw)
            if is_open:
                continue
            text = decode(b"".join(parts), dump.encoding, where, start)
            text = (text.replace("\r\n", "\n") if is_crlf else text).removesuffix("\n").rstrip(" \r")
            if text:
                yield start, text
    if is_open:
        raise DumpFormatError(f"{where}:{start}: found the end of the data, expected the closing quote of a text", remedy=_REMEDY)


def _tokens(text: str) -> list[str] | None:
    """The tokens of a record; None when something stands between them."""
    if '"' not in text:
        return text.split()
    tokens: list[str] = _TOKEN.findall(text)
    if sum(map(len, tokens)) + len(tokens) - 1 == len(text):
        return tokens
    return tokens if not _TOKEN.sub("", text).strip(" ") else None


def _bad_token(text: str) -> tuple[str, int]:
    """What stands where no token can be, and its place in the record."""
    at = 0
    while found := _TOKEN.match(text, at):
        at = found.end()
        while text[at : at + 1] == " ":
            at += 1
    return text[at:].split(" ")[0], at


def _grouped(values: list[Value], extents: list[int]) -> Iterator[Value | list[Value]]:
    at = 0
    for extent in extents:
        yield values[at : at + extent] if extent else values[at]
        at += max(1, extent)


def _day(value: dt.date | FarDate | None) -> int | None:
    if value is None:
        return None
    return value.days if isinstance(value, FarDate) else (value - _EPOCH).days


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
