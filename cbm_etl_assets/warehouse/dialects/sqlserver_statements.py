"""The statements of SQL Server: `warehouse.sql.Statements` with its quoting, its name limit, its schemas and its fragments.

Owns T-SQL text that depends on a list of columns. Pure.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse.dialects.sqlserver_types import literal, quote, type_name
from cbm_etl_assets.warehouse.sql import Fragment, Ident, Statements, Value

# 40 comparisons in one pair of brackets, so that 1,000 columns nest 25 deep and not 1,000.
_GROUP = 40
_COMMENT = re.compile(r"^[ ]*--[^\n]*\n", re.MULTILINE)
# Differences to the byte: `=` ignores trailing blanks in every collation, and case in most.
BINARY = "Latin1_General_BIN2"


@dataclass(frozen=True)
class Layout:
    """How tables are stored. `schemas`: what ods, stg and marts are called."""

    key_collation: str = BINARY
    compression: Literal["none", "page", "columnstore"] = "none"
    filegroup: str = ""
    schemas: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SqlServerStatements(Statements):
    layout: Layout = Layout()

    def ident(self, *parts: str) -> Ident:
        """`ident("ods", "client")`, in the schema the settings name."""
        return Ident((self.schema(parts[0]), *parts[1:]) if len(parts) > 1 else parts, self.quote)

    def render(self, name: str, **values: Value | str) -> str:
        """Without the comments: a driver looks for '?' and quotes, and not every one knows a comment when it sees one."""
        return _COMMENT.sub("", super().render(name, **values))

    def number(self, value: int) -> Fragment:
        """A whole number where T-SQL takes no parameter."""
        return Fragment(str(int(value)))

    def text(self, value: object) -> Fragment:
        """A name as a text literal, for OBJECT_ID and the like."""
        return Fragment(literal(str(value)))

    def quoted_in_text(self, name: str) -> Fragment:
        """A quoted name inside a text literal of a template."""
        return Fragment(quote(name).replace("'", "''"))

    def schema(self, name: str) -> str:
        return dict(self.layout.schemas).get(name, name)

    @property
    def state(self) -> Ident:
        return self.ident("stg", "_cbm_state")

    def definitions(self, columns: Iterable[tuple[str, str]], keys: Sequence[str]) -> Fragment:
        """Name, type as spelled, collation of a text key, NULL: a column ODS takes on later could not be NOT NULL anyway."""
        return Fragment(",\n    ".join(f"{quote(n)} {self.typed(n, kind, keys)} NULL" for n, kind in columns))

    def typed(self, name: str, kind: str, keys: Sequence[str]) -> str:
        return f"{kind} COLLATE {self.layout.key_collation}" if name in keys and kind.startswith("nvarchar") else kind

    @property
    def storage(self) -> Fragment:
        """What stands behind CREATE TABLE (...)."""
        on = f" ON {quote(self.layout.filegroup)}" if self.layout.filegroup else ""
        return Fragment(on + (" WITH (DATA_COMPRESSION = PAGE)" if self.layout.compression == "page" else ""))

    @property
    def is_columnstore(self) -> bool:
        return self.layout.compression == "columnstore"


def make_statements(layout: Layout | None = None) -> SqlServerStatements:
    return SqlServerStatements("sqlserver", quote, type_name, layout or Layout())


def differs(columns: Sequence[tuple[str, LogicalType]], left: str = "o", right: str = "s") -> str:
    """True where a value is another one, NULL counted as a value."""
    groups = [columns[i : i + _GROUP] for i in range(0, len(columns), _GROUP)]
    joined = ["(" + " OR ".join(_one_differs(name, kind, left, right) for name, kind in group) + ")" for group in groups]
    return "(" + (" OR ".join(joined) or "1 = 0") + ")"


def _one_differs(name: str, kind: LogicalType, left: str, right: str) -> str:
    a, b = f"{left}.{quote(name)}", f"{right}.{quote(name)}"
    unlike = f"{a} <> {b}"
    if kind.is_text:
        unlike = f"{a} COLLATE {BINARY} <> {b} COLLATE {BINARY} OR DATALENGTH({a}) <> DATALENGTH({b})"
    return f"({unlike} OR ({a} IS NULL AND {b} IS NOT NULL) OR ({a} IS NOT NULL AND {b} IS NULL))"


def same(columns: Sequence[tuple[str, LogicalType]], left: str, right: str) -> str:
    """True where every value is the same, NULL counted as a value."""
    return " AND ".join(_one_same(name, kind, left, right) for name, kind in columns) or "1 = 1"


def _one_same(name: str, kind: LogicalType, left: str, right: str) -> str:
    # Not the negation of the other: of two NULLs, NOT (NULL <> NULL) is no truth either.
    a, b = f"{left}.{quote(name)}", f"{right}.{quote(name)}"
    alike = f"{a} COLLATE {BINARY} = {b} COLLATE {BINARY} AND DATALENGTH({a}) = DATALENGTH({b})" if kind.is_text else f"{a} = {b}"
    return f"(({alike}) OR ({a} IS NULL AND {b} IS NULL))"


def cursor_of(spec: TableSpec, alias: str = "s") -> str:
    """A row's own modification time: its greatest cursor column, NULLs left out. T-SQL has no GREATEST before 2022."""
    if not spec.cursor:
        return "CAST(NULL AS datetime2(6))"
    prefix = f"{alias}." if alias else ""
    greatest = ""
    for column in spec.cursor.columns:
        one = f"CAST({prefix}{quote(spec.column(column).target_name)} AS datetime2(6))"
        greatest = f"CASE WHEN {one} IS NULL OR {greatest} >= {one} THEN {greatest} ELSE {one} END" if greatest else one
    return greatest


def iso(moment: dt.datetime | None) -> str:
    """A moment as a parameter, '' for none: a text says exactly what is meant, and NULL would make pyodbc ask the server for a type."""
    return moment.isoformat(timespec="microseconds") if moment else ""


def packed(names: Sequence[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def unpacked(text: object) -> tuple[str, ...]:
    return tuple(str(name) for name in json.loads(str(text or "[]")))
