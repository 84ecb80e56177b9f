"""`.df` schema dumps -> SourceTables.

Owns what the statements do to a schema: a delta file changes tables it does not hold, those changes are reported, and
applied when the base schema is given. Words are read in `dftext`, the grammar in `dfparse`, types mapped in `abl`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.abl import ABL_TYPES, logical_type, sql_width
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.dfparse import Options, Statement, statements
from cbm_etl_assets.metadata.dftext import fail
from cbm_etl_assets.metadata.trailer import decode, find_trailer

MAX_EXTENT = 28_000  # OpenEdge's limit; a greater one is a damaged file


@dataclass(frozen=True)
class Sequence:
    name: str
    options: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Delta:
    """A change to something the file itself does not create. `applied` is true when the base schema held its table."""

    verb: str
    object: str
    table: str
    name: str
    to: str = ""
    line: int = 0
    applied: bool = False

    def __str__(self) -> str:
        place = f' of "{self.table}"' if self.object in ("FIELD", "INDEX", "CONSTRAINT") else ""
        return f'{self.verb} {self.object} "{self.name}"{place}' + (f' to "{self.to}"' if self.to else "")


@dataclass(frozen=True)
class DfSchema:
    """What one schema dump says. `missing_tables` are changed by it but defined elsewhere; `warnings` are for people."""

    tables: tuple[SourceTable, ...]
    sequences: tuple[Sequence, ...] = ()
    deltas: tuple[Delta, ...] = ()
    missing_tables: tuple[str, ...] = ()
    codepage: str = ""
    warnings: tuple[str, ...] = ()

    def table(self, name: str) -> SourceTable | None:
        """The table of that name, compared without case; None when absent."""
        return next((t for t in self.tables if t.name.lower() == name.lower()), None)


def read_df(path: Path, base: DfSchema | None = None) -> DfSchema:
    """The schema of a `.df` file, over `base` for a delta file.

    Raises: DumpFormatError naming the file, the line, the word found and what was expected.
    """
    try:
        raw = path.read_bytes()
        trailer = find_trailer(path)
    except OSError as error:
        raise DumpFormatError(f"{path}: cannot be read: {error.strerror}", remedy="check the path and its permissions") from error
    body = raw[: trailer.body_bytes] if trailer else raw
    text = decode(body.removeprefix(b"\xef\xbb\xbf"), trailer.encoding if trailer else None, str(path))
    return parse_df(text, str(path), trailer.codepage if trailer else "", base)


def parse_df(text: str, where: str = "<df>", codepage: str = "", base: DfSchema | None = None) -> DfSchema:
    if "\x00" in text:
        fail(where, text.count("\n", 0, text.index("\x00")) + 1, "a NUL byte", "text: this is no .df file")
    builder = _Builder(where, base)
    for statement in statements(text.replace("\r\n", "\n"), where, builder.warnings):
        builder.run(statement)
    return builder.build(codepage)


@dataclass
class _Column:
    name: str
    abl: str
    options: Options
    line: int


@dataclass
class _Index:
    name: str
    columns: list[str]
    flags: set[str]


@dataclass
class _Table:
    """A table being built; one that came with the base schema keeps its ready columns until they are changed."""

    name: str
    options: Options
    columns: dict[str, _Column | SourceColumn] = field(default_factory=dict)
    indexes: dict[str, _Index] = field(default_factory=dict)
    primary: str = ""
    from_base: bool = False


class _Builder:
    def __init__(self, where: str, base: DfSchema | None) -> None:
        self.where = where
        self.warnings: list[str] = []
        self._tables: dict[str, _Table] = {t.name.lower(): _thaw(t) for t in (base.tables if base else ())}
        self._sequences: dict[str, Sequence] = {s.name.lower(): s for s in (base.sequences if base else ())}
        self._deltas: list[Delta] = []
        self._missing: dict[str, str] = {}
        self._renamed: set[str] = set()

    def run(self, s: Statement) -> None:
        table = self._tables.get((s.table or s.name).lower())
        creates_table = s.verb == "ADD" and s.object == "TABLE"
        if s.object == "SEQUENCE":
            self._sequence(s)
        elif creates_table:
            self._add_table(s)
        elif s.object in ("TABLE", "FIELD", "INDEX", "CONSTRAINT"):
            if table is None or table.from_base or s.verb != "ADD":
                self._report(s, table)
            if table is not None:
                self._change(s, table)

    def _report(self, s: Statement, table: _Table | None) -> None:
        name = s.table or s.name
        self._deltas.append(Delta(s.verb, s.object, name, s.name, s.to, s.line, table is not None))
        if table is None and name and name.lower() not in self._renamed:
            self._missing.setdefault(name.lower(), name)
        if table is None and s.object == "TABLE" and s.to:
            self._renamed.add(s.to.lower())

    def _sequence(self, s: Statement) -> None:
        key = s.name.lower()
        if s.verb in ("DROP", "DELETE"):
            self._sequences.pop(key, None)
        elif s.verb == "RENAME" and key in self._sequences:
            self._sequences[s.to.lower()] = Sequence(s.to, self._sequences.pop(key).options)
        elif s.verb in ("ADD", "UPDATE"):
            before = self._sequences.get(key)
            self._sequences[key] = Sequence(s.name, {**(before.options if before else {}), **s.options.other, **s.options.texts})

    def _add_table(self, s: Statement) -> None:
        if s.name.lower() in self._tables:
            self._fail(s, f'ADD TABLE "{s.name}" a second time', "each table once")
        self._tables[s.name.lower()] = _Table(s.name, s.options)

    def _change(self, s: Statement, table: _Table) -> None:
        actions = {"TABLE": self._table, "FIELD": self._field, "INDEX": self._index}
        if s.object in actions:
            actions[s.object](s, table)

    def _table(self, s: Statement, table: _Table) -> None:
        if s.verb in ("DROP", "DELETE"):
            del self._tables[table.name.lower()]
        elif s.verb == "RENAME":
            del self._tables[table.name.lower()]
            table.name = s.to
            self._tables[s.to.lower()] = table
        else:
            _merge(table.options, s.options)

    def _field(self, s: Statement, table: _Table) -> None:
        key = s.name.lower()
        if s.verb == "ADD":
            if key in table.columns:
                self._fail(s, f'ADD FIELD "{s.name}" OF "{table.name}" a second time', "each field once")
            if s.type not in ABL_TYPES:
                self._fail(s, s.type or "no data type", f"a data type: {', '.join(ABL_TYPES)}")
            table.columns[key] = _Column(s.name, s.type, s.options, s.line)
            return
        if key not in table.columns:
            self._fail(s, f'{s.verb} FIELD "{s.name}" OF "{table.name}"', f"a field of the table: {_names(table)}")
        if s.verb == "RENAME":
            self._rename_field(table, key, s.to)
        elif s.verb == "UPDATE":
            column = table.columns[key] = _thaw_column(table.columns[key], s.line)
            _merge(column.options, s.options)
        else:
            del table.columns[key]

    @staticmethod
    def _rename_field(table: _Table, key: str, to: str) -> None:
        column = _thaw_column(table.columns[key], 0)
        column.name = to
        table.columns = {to.lower() if k == key else k: column if k == key else c for k, c in table.columns.items()}
        for index in table.indexes.values():
            index.columns = [to if c.lower() == key else c for c in index.columns]

    def _index(self, s: Statement, table: _Table) -> None:
        key = s.name.lower()
        if s.verb == "ADD":
            for word in s.options.index_fields:
                if word.text.lower() not in table.columns:
                    fail(self.where, word.line, f'INDEX-FIELD {word} of index "{s.name}"', f'a field of "{table.name}": {_names(table)}')
            table.indexes[key] = _Index(s.name, [w.text for w in s.options.index_fields], set(s.options.flags))
        elif s.verb == "RENAME" and key in table.indexes:
            table.indexes[key].name = s.to
            table.indexes = {i.name.lower(): i for i in table.indexes.values()}
            table.primary = s.to.lower() if table.primary == key else table.primary
        elif s.verb == "UPDATE" and key in table.indexes:
            _merge_flags(table.indexes[key].flags, s.options.flags)
        else:
            table.indexes.pop(key, None)
        if "PRIMARY" in s.options.flags:
            table.primary = key

    def _fail(self, s: Statement, found: str, expected: str) -> NoReturn:
        fail(self.where, s.line, found, expected)

    def build(self, codepage: str) -> DfSchema:
        tables = tuple(self._freeze(t) for t in self._tables.values())
        missing = tuple(self._missing.values())
        for name in missing:
            self.warnings.append(f'{self.where}: changes table "{name}", which it does not define: read its base schema first')
        return DfSchema(tables, tuple(self._sequences.values()), tuple(self._deltas), missing, codepage, tuple(self.warnings))

    def _freeze(self, table: _Table) -> SourceTable:
        columns, last = [], 0
        for column in table.columns.values():
            ready = column if isinstance(column, SourceColumn) else self._column(column, last, table.name)
            last = max(last, ready.order)
            columns.append(ready)
        columns.sort(key=lambda c: c.order)
        texts = table.options.texts
        extra = {"area": texts.get("AREA", "")} | ({"hidden": "yes"} if "HIDDEN" in table.options.flags else {})
        indexes = tuple(
            SourceIndex(i.name, tuple(i.columns), "UNIQUE" in i.flags, key == table.primary, "INACTIVE" not in i.flags, "WORD" in i.flags)
            for key, i in table.indexes.items()
        )
        return SourceTable(
            table.name, tuple(columns), indexes, label=texts.get("LABEL", ""), description=texts.get("DESCRIPTION", ""),
            dump_name=texts.get("DUMP-NAME", ""), extra=extra,
        )  # fmt: skip

    def _column(self, c: _Column, last_order: int, table: str) -> SourceColumn:
        options, width = c.options, c.options.number("MAX-WIDTH", "SQL-WIDTH")
        extent, order = options.number("EXTENT") or 0, options.number("ORDER")
        if not 0 <= extent <= MAX_EXTENT:
            fail(self.where, c.line, f'EXTENT {extent} of "{c.name}" OF "{table}"', f"0 to {MAX_EXTENT} elements")
        width = width if width and width > 0 else None
        texts, flags = options.texts, options.flags
        return SourceColumn(
            c.name, logical_type(c.abl, width, options.number("DECIMALS"), extent), c.abl, extent, "MANDATORY" in flags,
            "CASE-SENSITIVE" in flags, sql_width(c.abl, width, extent), last_order + 10 if order is None else order,
            texts.get("LABEL") or texts.get("COLUMN-LABEL", "").replace("!", " "), texts.get("DESCRIPTION") or texts.get("HELP", ""),
            texts.get("FORMAT", ""),
        )  # fmt: skip


def _names(table: _Table) -> str:
    return ", ".join(c.name for c in table.columns.values())


def _merge(old: Options, new: Options) -> None:
    old.texts.update(new.texts)
    old.numbers.update(new.numbers)
    old.other.update(new.other)
    _merge_flags(old.flags, new.flags)


_OPPOSITES = {"NULL-ALLOWED": "MANDATORY", "NOT-CASE-SENSITIVE": "CASE-SENSITIVE", "ACTIVE": "INACTIVE", "NOT-UNIQUE": "UNIQUE"}


def _merge_flags(old: set[str], new: set[str]) -> None:
    for flag in new:
        if flag in _OPPOSITES:
            old.discard(_OPPOSITES[flag])
        else:
            old.add(flag)


def _thaw(table: SourceTable) -> _Table:
    texts = {"LABEL": table.label, "DESCRIPTION": table.description, "DUMP-NAME": table.dump_name, "AREA": table.extra.get("area", "")}
    flags = (("UNIQUE", "unique"), ("WORD", "word"))
    indexes = {
        i.name.lower(): _Index(i.name, list(i.columns), {f for f, a in flags if getattr(i, a)} | (set() if i.active else {"INACTIVE"}))
        for i in table.indexes
    }
    primary = next((i.name.lower() for i in table.indexes if i.primary), "")
    return _Table(table.name, Options(texts), {c.name.lower(): c for c in table.columns}, indexes, primary, True)


def _thaw_column(column: _Column | SourceColumn, line: int) -> _Column:
    if isinstance(column, _Column):
        return column
    width = column.sql_width or column.type.width or column.type.precision
    numbers = {"MAX-WIDTH": width, "DECIMALS": column.type.scale, "EXTENT": column.extent, "ORDER": column.order}
    texts = {"LABEL": column.label, "DESCRIPTION": column.description, "FORMAT": column.format}
    flags = {f for f, is_set in (("MANDATORY", column.mandatory), ("CASE-SENSITIVE", column.case_sensitive)) if is_set}
    return _Column(column.name, column.abl_type, Options(texts, numbers, flags), line)
