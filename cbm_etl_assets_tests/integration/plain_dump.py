"""A second, plain reading of an OpenEdge dump, to hold the line against. Shares no code with `cbm_etl_assets.metadata`.

Owns just what the real dumps need: it walks the characters of a `.d` file once and knows the seven ABL types they use.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

Row = tuple[Any, ...]
_TABLE = re.compile(r'^ADD TABLE "([^"]+)"(.*?)(?=^ADD |^\.$)', re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r'^ADD FIELD "([^"]+)" OF "([^"]+)" AS (\S+)(.*?)(?=^ADD |^\.$)', re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class PlainField:
    name: str
    type: str
    order: int
    extent: int

    @property
    def ods_names(self) -> list[str]:
        return [f"{self.name}_{i + 1}" for i in range(self.extent)] or [self.name]


@dataclass(frozen=True)
class PlainTable:
    """`names` are ODS columns in ORDER order, an array one a element; `rows` holds one value for each."""

    name: str
    fields: tuple[PlainField, ...]
    rows: tuple[Row, ...]
    is_dumped: bool

    @property
    def ods_name(self) -> str:
        return self.name.replace("-", "_")

    @property
    def names(self) -> list[str]:
        return [name for field in self.fields for name in field.ods_names]


def read_plainly(df: Path) -> list[PlainTable]:
    """Every table of the schema, with the rows of its dump beside it or one folder below."""
    text = df.read_text("latin-1")
    fields: dict[str, list[PlainField]] = {}
    for name, table, abl, rest in _FIELD.findall(text):
        numbers = {key: int(value) for key, value in re.findall(r"^  (ORDER|EXTENT) (\d+)$", rest, re.MULTILINE)}
        fields.setdefault(table, []).append(PlainField(name, abl, numbers["ORDER"], numbers.get("EXTENT", 0)))
    files = {path.name.lower(): path for pattern in ("*.d", "*/*.d") for path in df.parent.glob(pattern)}
    tables = []
    for table, rest in _TABLE.findall(text):
        ordered = tuple(sorted(fields[table], key=lambda f: f.order))
        stem = re.search(r'^  DUMP-NAME "([^"]+)"$', rest, re.MULTILINE)
        dump = files.get(f"{stem[1] if stem else table}.d".lower())
        tables.append(PlainTable(table, ordered, tuple(_rows(dump, ordered)) if dump else (), dump is not None))
    return tables


def _rows(dump: Path, fields: tuple[PlainField, ...]) -> list[Row]:
    body, _, trailer = dump.read_bytes().rpartition(b"\n.\nPSC\n")
    said = dict(line.split("=", 1) for line in trailer.decode("ascii").splitlines() if "=" in line)
    assert (said["numformat"], said["dateformat"]) == ("46,44", "dmy-1950"), dump
    types = [field.type for field in fields for _ in field.ods_names]
    lines = _lines(body.decode(said["cpstream"]))
    assert len(lines) == int(said["records"]), dump
    assert all(len(line) == len(types) for line in lines), dump
    return [tuple(_value(abl, *token, dump.parent) for abl, token in zip(types, line, strict=True)) for line in lines]


def _lines(text: str) -> list[list[tuple[str, bool]]]:
    """Tokens by record, each with whether it stood in quotes: a line end and a blank inside quotes are data."""
    lines: list[list[tuple[str, bool]]] = [[]]
    at = 0
    while at < len(text):
        if text[at] == "\n":
            lines.append([])
            at += 1
        elif text[at] == " ":
            at += 1
        elif text[at] == '"':
            end = at + 1
            while text[end] != '"' or text[end + 1 : end + 2] == '"':
                end += 1 if text[end] != '"' else 2
            lines[-1].append((text[at + 1 : end].replace('""', '"'), True))
            at = end + 1
        else:
            end = min(i for i in (text.find(" ", at), text.find("\n", at), len(text)) if i >= 0)
            lines[-1].append((text[at:end], False))
            at = end
    return [line for line in lines if line]


def _value(abl: str, text: str, is_quoted: bool, folder: Path) -> Any:
    if text == "?" and not is_quoted:
        return None
    assert is_quoted == (abl in ("character", "blob")), (abl, text)
    if abl == "character":
        return text
    if abl == "blob":
        return (folder / text).read_bytes()
    if abl == "integer":
        return int(text)
    if abl == "decimal":
        return Decimal(text.replace(",", "."))
    if abl == "logical":
        return {"yes": True, "no": False}[text]
    assert abl == "date", abl
    day, month, year = map(int, text.split("/"))
    return dt.date(year + (1900 if 50 <= year < 100 else 2000 if year < 50 else 0), month, day)
