"""One token of a `.d` file -> one Python value, in the number and date formats the trailer declares.

Owns those spellings. A reader raises ValueError saying what was expected; file and line are added by `metadata.dump`.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from cbm_etl_assets.metadata.catalogue import SourceColumn
from cbm_etl_assets.metadata.trailer import Trailer, codec_of

Value = str | int | bool | Decimal | dt.date | dt.datetime | bytes | None
TokenReader = Callable[[str], Value]
INT32 = 2**31
# EXPORT writes RAW as '02', four hexadecimal digits of length, then base64: what STRING(raw) gives in ABL.
_RAW_HEADER = re.compile(r"02([0-9A-Fa-f]{4})")
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,6}))?(?:([+-])(\d\d):?(\d\d))?")
_DATE = re.compile(r"(-?\d{1,5})[/.-](-?\d{1,5})[/.-](-?\d{1,5})")
_CLOB_PAGE = re.compile(r"!([^!]+)!")


class FarDate(str):
    """A date outside the years 1 to 9999, which OpenEdge allows and Python does not: ISO text, and days since 1970."""

    days: int

    def __new__(cls, year: int, month: int, day: int) -> FarDate:
        text = f"{year:05d}-{month:02d}-{day:02d}"
        self = super().__new__(cls, text)
        self.days = days_since_1970(year, month, day)
        return self


def days_since_1970(year: int, month: int, day: int) -> int:
    """Proleptic Gregorian, any year, year 0 = 1 BC. The calendar repeats every 400 years = 146,097 days."""
    cycles, inside = divmod(year - 1, 400)
    return cycles * 146_097 + (dt.date(inside + 1, month, day) - dt.date(1, 1, 1)).days - 719_162


def token_readers(columns: tuple[SourceColumn, ...], trailer: Trailer, encoding: str, blob_dir: Path) -> list[TokenReader]:
    """A reader for every token of a record, in order: an array has one per element."""
    thousand, point = _separators(trailer.numformat)
    number = _decimal_reader(thousand, point)
    readers: dict[str, TokenReader] = {
        "character": unquote, "integer": _integer_reader(number, INT32), "int64": _integer_reader(number, 2**63),
        "recid": _integer_reader(number, 2**63), "decimal": number, "logical": _logical, "date": _date_reader(trailer.dateformat),
        "datetime": _stamp, "datetime-tz": _stamp_with_zone, "raw": _raw, "blob": _file_reader(blob_dir, None),
        "clob": _file_reader(blob_dir, encoding),
    }  # fmt: skip
    return [readers[c.abl_type] for c in columns for _ in range(max(1, c.extent))]


def unquote(token: str) -> str:
    if token[0] != '"':
        raise ValueError("a text in quotes, or ? for unknown")
    return token[1:-1].replace('""', '"') if '""' in token else token[1:-1]


def _separators(numformat: str) -> tuple[str, str]:
    """'46,44' -> ('.', ','): the character codes of the thousand and the decimal separator. Default: American."""
    if not numformat:
        return ",", "."
    codes = numformat.split(",")
    if len(codes) != 2 or not all(code.strip().isdigit() and 0 < int(code) < 256 for code in codes):
        raise ValueError(f"numformat={numformat} in the trailer should be two character codes, such as 46,44")
    return chr(int(codes[0])), chr(int(codes[1]))


def _decimal_reader(thousand: str, point: str) -> Callable[[str], Decimal]:
    grouped = re.compile(rf"[-+]?\d{{1,3}}(?:{re.escape(thousand)}\d{{3}})+(?:{re.escape(point)}\d*)?")
    plain = re.compile(rf"[-+]?(?:\d+(?:{re.escape(point)}\d*)?|{re.escape(point)}\d+)", re.ASCII)

    def read(token: str) -> Decimal:
        if plain.fullmatch(token):
            return Decimal(token.replace(point, ".") if point != "." else token)
        if grouped.fullmatch(token):
            return Decimal(token.replace(thousand, "").replace(point, "."))
        raise ValueError(f"a number with decimal separator '{point}' (trailer's numformat), or ?")

    return read


def _integer_reader(number: Callable[[str], Decimal], limit: int) -> Callable[[str], int]:
    plain = re.compile(r"[-+]?\d+", re.ASCII)

    def read(token: str) -> int:
        value = int(token) if plain.fullmatch(token) else _whole(number, token)
        if not -limit <= value < limit:
            raise ValueError(f"a whole number from {-limit} to {limit - 1}")
        return value

    return read


def _whole(number: Callable[[str], Decimal], token: str) -> int:
    try:
        value = number(token)
    except ValueError:
        raise ValueError("a whole number, or ?") from None
    if value != int(value):
        raise ValueError("a whole number, or ?")
    return int(value)


def _logical(token: str) -> bool:
    value = {"yes": True, "no": False, "true": True, "false": False}.get(token.lower())
    if value is None:
        raise ValueError("yes, no or ?")
    return value


def _date_reader(dateformat: str) -> Callable[[str], dt.date | FarDate]:
    """'dmy-1950': order of the parts, and the first year of the hundred that two digits stand for."""
    order, _, window = (dateformat or "mdy-1950").lower().partition("-")
    if sorted(order) != ["d", "m", "y"] or not (window or "1950").isdigit():
        raise ValueError(f"dateformat={dateformat} in the trailer should be an order and a year, such as dmy-1950")
    base = int(window or "1950")

    @lru_cache(maxsize=65_536)  # 5 M order lines share a few thousand days
    def read(token: str) -> dt.date | FarDate:
        expected = f"a date as {'/'.join(order)} (trailer's dateformat), or ?"
        found = _DATE.fullmatch(token)
        if found is None:
            raise ValueError(expected)
        parts = dict(zip(order, found.groups(), strict=True))
        year = int(parts["y"])
        if len(parts["y"]) <= 2 and year >= 0:
            year += base - base % 100 + (100 if year < base % 100 else 0)
        try:
            month, day = int(parts["m"]), int(parts["d"])
            return dt.date(year, month, day) if 1 <= year <= 9999 else FarDate(year, month, day)
        except ValueError:
            raise ValueError(expected) from None

    return read


def _stamp_parts(token: str, expected: str) -> tuple[dt.datetime, str | None]:
    found = _STAMP.fullmatch(token)
    if found is None:
        raise ValueError(expected)
    *whole, fraction, sign, hours, minutes = found.groups()
    try:
        year, month, day, hour, minute, second = (int(part) for part in whole)
        stamp = dt.datetime(year, month, day, hour, minute, second, int((fraction or "").ljust(6, "0")))
    except ValueError:
        raise ValueError(expected) from None
    return stamp, f"{sign}{int(hours) * 60 + int(minutes)}" if sign else None


def _stamp(token: str) -> dt.datetime:
    expected = "a stamp such as 2024-01-31T08:05:00.000, or ?"
    stamp, offset = _stamp_parts(token, expected)
    if offset is not None:
        raise ValueError(expected)
    return stamp


def _stamp_with_zone(token: str) -> dt.datetime:
    expected = "a stamp such as 2024-01-31T08:05:00.000+01:00, or ?"
    stamp, offset = _stamp_parts(token, expected)
    if offset is None or abs(int(offset)) >= 24 * 60:
        raise ValueError(expected)
    return stamp.replace(tzinfo=dt.timezone(dt.timedelta(minutes=int(offset))))


def _raw(token: str) -> bytes:
    text = unquote(token) if token[0] == '"' else token
    header = _RAW_HEADER.match(text)
    if header:
        body = _base64(text[6:])
        if body is not None and len(body) == int(header[1], 16):
            return body
    value = _base64(text)
    if value is None:
        raise ValueError("bytes in base64, or ?")
    return value


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _file_reader(folder: Path, encoding: str | None) -> TokenReader:
    """Reads the large object a token names; text in the dump's code page, or in that of its name (`Notes!UTF-8!_1.blb`)."""

    def read(token: str) -> Value:
        name = unquote(token) if token[0] == '"' else token
        if not name or name != Path(name).name or name in (".", "..") or "\\" in name:
            raise ValueError("the name of a file beside the dump, without a folder, or ?")
        file = _find(folder, name)
        if file is None:
            raise ValueError(f"a file of that name in {folder}")
        content = file.read_bytes()
        if encoding is None:
            return content
        page = _CLOB_PAGE.search(name)
        codec = (codec_of(page[1], name) if page else None) or encoding
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            raise ValueError(f"a file holding text of code page {codec}") from None

    return read


def _find(folder: Path, name: str) -> Path | None:
    """The file, by its exact name or, as dumps come from Windows, by its name without case."""
    exact = folder / name
    if exact.is_file():
        return exact
    return _files_by_lower(folder).get(name.lower())


@lru_cache(maxsize=8)
def _files_by_lower(folder: Path) -> dict[str, Path]:
    return {file.name.lower(): file for file in folder.iterdir() if file.is_file()} if folder.is_dir() else {}
