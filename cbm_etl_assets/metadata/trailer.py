"""The trailer that ends a `.df` or `.d` file, and the code page it names.

Owns finding `PSC` from the end (the byte offset on the last line was wrong in all 54 real files checked: it counts the
line ends of the machine that dumped), its keys, and OpenEdge code page -> Python codec. Knows nothing of what comes before.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cbm_etl_assets.errors import DumpFormatError

TAIL_BYTES = 65_536  # a trailer is about 200 bytes; the rest is room for a long ldbname or map
_TRAILER = re.compile(rb"(?:\A|(?<=\n))[ \t]*\.[ \t]*\r?\n[ \t]*PSC[ \t]*\r?(?:\n|\Z)")
_UNDECLARED = ("", "undefined", "?")
_ODD_NAMES = {
    "1250": "cp1250", "1251": "cp1251", "1252": "cp1252", "1253": "cp1253", "1254": "cp1254", "1255": "cp1255",
    "1256": "cp1256", "1257": "cp1257", "620-2533": "cp874", "iso8859-15": "iso8859_15", "iso8859-1": "latin_1",
    "eucjis": "euc_jp", "big-5": "big5", "gb2312": "gb2312", "ksc5601": "cp949", "cp936": "gbk", "shift-jis": "cp932",
    "utf-8": "utf_8", "roman-8": "hp_roman8",
}  # fmt: skip


@dataclass(frozen=True)
class Trailer:
    """`codepage` as written ('' when absent), `encoding` the Python codec, None where the file declares none.

    `body_bytes` is where the data ends; `line_end` is '\\r\\n' or '\\n'; `records` is None where the key is absent.
    """

    body_bytes: int
    codepage: str = ""
    encoding: str | None = None
    line_end: str = "\n"
    filename: str = ""
    records: int | None = None
    ldbname: str = ""
    timestamp: str = ""
    numformat: str = ""
    dateformat: str = ""
    map: str = ""


def codec_of(codepage: str, where: str) -> str | None:
    """The Python codec of an OpenEdge code page, None for UNDEFINED. Raises: DumpFormatError for an unknown one."""
    wanted = codepage.strip().lower()
    if wanted in _UNDECLARED:
        return None
    name = _ODD_NAMES.get(wanted) or (f"cp{wanted[3:]}" if wanted.startswith("ibm") else wanted)
    try:
        return codecs.lookup(name).name
    except LookupError:
        raise DumpFormatError(
            f"{where}: unknown code page '{codepage}'. Known: ISO8859-1 to ISO8859-15, 1250 to 1257, ibm850, UTF-8, UNDEFINED, ...",
            remedy="dump the file again with a code page of that list",
        ) from None


def find_trailer(path: Path) -> Trailer | None:
    """The trailer at the end of the file, None when there is none. Raises: DumpFormatError on a broken one."""
    with path.open("rb") as file:
        return read_trailer(file, path)


def read_trailer(file: BinaryIO, path: Path) -> Trailer | None:
    size = file.seek(0, 2)
    start = max(0, size - TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    candidates = list(_TRAILER.finditer(tail))
    if not candidates:
        return None
    found = candidates[-1]  # text of the data may look like a trailer
    lines = tail[found.end() :].decode("ascii", "replace").splitlines()
    keys: dict[str, str] = {}
    for line in lines:
        if line.strip() == ".":
            break
        name, _, value = line.strip().partition("=")
        keys[name.lower()] = value
    return _build(keys, start + found.start(), b"\r\n" in found[0], path)


def _build(keys: dict[str, str], body_bytes: int, is_crlf: bool, path: Path) -> Trailer:
    records = keys.get("records")
    if records is not None and not records.isdigit():
        raise DumpFormatError(f"{path}: trailer: records= holds '{records}', expected a number such as 0000000000042")
    codepage = keys.get("cpstream", "")
    return Trailer(
        body_bytes, codepage, codec_of(codepage, f"{path}: trailer: cpstream"), "\r\n" if is_crlf else "\n",
        keys.get("filename", ""), int(records) if records is not None else None, keys.get("ldbname", ""),
        keys.get("timestamp", ""), keys.get("numformat", ""), keys.get("dateformat", ""), keys.get("map", ""),
    )  # fmt: skip


def decode(raw: bytes, encoding: str | None, where: str, first_line: int = 1) -> str:
    """Text of the bytes. Without a declared code page: UTF-8 when it is valid, else ISO8859-1, OpenEdge's own default.

    Raises: DumpFormatError naming the line and the byte that is not in the code page.
    """
    try:
        return raw.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is None:
            return raw.decode("latin_1")
        line = first_line + raw.count(b"\n", 0, error.start)
        raise DumpFormatError(
            f"{where}:{line}: byte 0x{raw[error.start]:02x} is not a character of code page {encoding}, named by the trailer's cpstream",
            remedy="dump the file again, or correct cpstream= in its trailer",
        ) from None
