"""The SELECT of one extraction. Pure: a spec, a range and a dialect in, a statement and its bound values out.

Owns predicates and their parameters. No value ever enters the text of a statement; identifiers are always quoted.

Several cursor columns are united by OR in ONE scan, not by UNION ALL: OpenEdge has no snapshot, so two scans of one
statement could deliver a moving row twice or never, a table without an index on its cursor would be read once per
branch, and the column list (613 names) would be repeated. Each arm stays sargable: a bare column against a marker,
no COALESCE or GREATEST around it. One scan cannot deliver a row twice.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from zoneinfo import ZoneInfo

from cbm_etl_assets.metadata.spec import ColumnSpec, CursorPrecision, CursorSpec, TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.source.dialects import SourceDialect
from cbm_etl_assets.source.port import ReadRange


@dataclass(frozen=True)
class SplitRange:
    """One part of a parallel read: [lower, upper) of a column, as parameter text; None = open. NULLs go with the open-below part."""

    column: str
    lower: str | None
    upper: str | None


@dataclass(frozen=True)
class SelectQuery:
    sql: str
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Predicate:
    sql: str
    parameters: tuple[str, ...] = ()


def build_select(
    spec: TableSpec, read_range: ReadRange, dialect: SourceDialect, split: SplitRange | None = None, zone: str = "Europe/Paris"
) -> SelectQuery:
    """Columns in spec order under their source names. `zone` is only used for cursors that hold aware instants."""
    columns = select_list(spec, dialect)
    parts = [*_filter(spec), *_cursor(spec, read_range, dialect, zone), *_split(spec, split, dialect)]
    where = f" WHERE {' AND '.join(p.sql for p in parts)}" if parts else ""
    table = dialect.table(spec.source_schema, spec.table)
    text = " ".join(("SELECT", columns, "FROM", table)) + where
    return SelectQuery(text, tuple(v for p in parts for v in p.parameters))


def ordered(query: SelectQuery, spec: TableSpec, column: str, dialect: SourceDialect) -> SelectQuery:
    """The same rows in the source's own order of a column; empty = as they come."""
    if not column:
        return query
    found = spec.column(column)
    name = dialect.identifier(found.name)
    if found.source_logical.kind in dialect.text_kinds:  # the bare name would be that of the text in the result
        name = f"{dialect.table(spec.source_schema, spec.table)}.{name}"
    return SelectQuery(f"{query.sql} ORDER BY {name}", query.parameters)


def select_list(spec: TableSpec, dialect: SourceDialect) -> str:
    return ", ".join(dialect.selected(c.name, Kind.VARCHAR if c.extent else c.source_logical.kind) for c in spec.kept_columns)


def build_bounds(spec: TableSpec, column: str, dialect: SourceDialect) -> SelectQuery:
    """Smallest and greatest value of a column: both ends of an index, no scan."""
    name = dialect.identifier(spec.column(column).name)
    return SelectQuery(" ".join((f"SELECT MIN({name}) AS a, MAX({name}) AS b FROM", dialect.table(spec.source_schema, spec.table))))


def split_ranges(column: ColumnSpec, lowest: object, highest: object, parts: int) -> list[SplitRange]:
    """Equal-width ranges that cover every value, NULL included. Empty when the type has no width (text) or nothing to divide.

    The first is open below and the last above, so rows that appear outside the measured bounds are still read.
    """
    points = [_point(lowest, highest, i / parts) for i in range(1, parts)]
    texts = [t for t in dict.fromkeys(points) if t is not None]
    if not texts:
        return []
    edges: list[str | None] = [None, *texts, None]
    return [SplitRange(column.name, low, high) for low, high in pairwise(edges)]


def _point(lowest: object, highest: object, share: float) -> str | None:
    if isinstance(lowest, int) and isinstance(highest, int) and highest > lowest:
        return str(lowest + int((highest - lowest) * share))
    if isinstance(lowest, dt.datetime) and isinstance(highest, dt.datetime) and highest > lowest:
        return _stamp(lowest + (highest - lowest) * share)
    if isinstance(lowest, dt.date) and isinstance(highest, dt.date) and highest > lowest:
        return (lowest + (highest - lowest) * share).isoformat()
    return None


def _filter(spec: TableSpec) -> Iterable[_Predicate]:
    if spec.filter:
        yield _Predicate(f"({spec.filter})")


def _split(spec: TableSpec, split: SplitRange | None, dialect: SourceDialect) -> Iterable[_Predicate]:
    if split is None:
        return
    column = spec.column(split.column)
    name, marker = dialect.identifier(column.name), dialect.marker(column.source_logical.kind)
    arms = []
    if split.lower is not None:
        arms.append(_Predicate(f"{name} >= {marker}", (split.lower,)))
    if split.upper is not None:
        arms.append(_Predicate(f"{name} < {marker}", (split.upper,)))
    both = _join(" AND ", arms)
    nulls = f" OR {name} IS NULL" if split.lower is None else ""
    yield _Predicate(f"({both.sql}{nulls})", both.parameters)


def _cursor(spec: TableSpec, read_range: ReadRange, dialect: SourceDialect, zone: str) -> Iterable[_Predicate]:
    unbounded = read_range.lower is None and read_range.upper is None
    if spec.cursor is None or (unbounded and read_range.include_nulls):
        return
    columns = [spec.column(c) for c in spec.cursor.columns]
    arms = [_column_range(c, spec.cursor, read_range, dialect, zone) for c in columns]
    if read_range.include_nulls:
        arms.append(_Predicate("(" + " AND ".join(f"{dialect.identifier(c.name)} IS NULL" for c in columns) + ")"))
    united = _join(" OR ", arms)
    yield _Predicate(f"({united.sql})", united.parameters)


def _column_range(column: ColumnSpec, cursor: CursorSpec, read_range: ReadRange, dialect: SourceDialect, zone: str) -> _Predicate:
    name, kind = dialect.identifier(column.name), column.source_logical.kind
    lower, upper = read_range.lower, read_range.upper
    if cursor.precision is CursorPrecision.DATE or kind is Kind.DATE:
        # A date says nothing of the hour: the whole day of the lower bound is read again, and the day of an upper bound
        # inside a day is read to its end.
        lower = lower and dt.datetime.combine(lower.date(), dt.time())
        upper = upper and (upper if upper.time() == dt.time() else dt.datetime.combine(upper.date() + dt.timedelta(days=1), dt.time()))
    arms = []
    if lower is not None:
        arms.append(_Predicate(f"{name} >= {dialect.marker(kind)}", (_parameter(lower, kind, zone, fold=0),)))
    if upper is not None:
        arms.append(_Predicate(f"{name} < {dialect.marker(kind)}", (_parameter(upper, kind, zone, fold=1),)))
    return _join(" AND ", arms) if arms else _Predicate(f"{name} IS NOT NULL")


def _join(word: str, arms: list[_Predicate]) -> _Predicate:
    texts = [f"({a.sql})" if " AND " in a.sql and not a.sql.startswith("(") and len(arms) > 1 else a.sql for a in arms]
    return _Predicate(word.join(texts), tuple(v for a in arms for v in a.parameters))


def _parameter(value: dt.datetime, kind: Kind, zone: str, fold: int) -> str:
    if kind is Kind.DATE:
        return value.date().isoformat()
    if kind is Kind.TIMESTAMPTZ:
        # In the hour that autumn repeats the lower bound is its first pass and the upper its second: nothing falls between.
        aware = value.replace(tzinfo=ZoneInfo(zone), fold=fold)
        return _stamp(value) + aware.strftime("%z")[:3] + ":" + aware.strftime("%z")[3:5]
    return _stamp(value)


def _stamp(value: dt.datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S") + (f".{value.microsecond:06d}" if value.microsecond else "")
