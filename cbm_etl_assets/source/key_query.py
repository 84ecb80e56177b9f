"""Reads by key: the rows with given keys, a bounded number of them a statement. Pure.

A probe before a deletion, the second look at rows that a dirty read may have shown, a repair: all of them name their rows.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.source.dialects import SourceDialect
from cbm_etl_assets.source.query import SelectQuery, select_list

if TYPE_CHECKING:
    import pyarrow as pa

# Markers a statement: OpenEdge takes 131,000 characters; 800 casts with their names stay under 60,000.
_MAX_MARKERS = 800


def build_key_selects(spec: TableSpec, dialect: SourceDialect, keys: pa.Table) -> list[SelectQuery]:
    """Statements that together deliver exactly the rows of `keys` (columns: the key's source names), each row once.

    The spec's filter holds here too: a row it no longer lets through is gone for this target. Text is compared as the
    source compares it, so OpenEdge finds a key however it is spelled.
    """
    columns = [spec.column(name) for name in spec.primary_key]
    per_statement = max(1, _MAX_MARKERS // len(columns))
    head = " ".join(("SELECT", select_list(spec, dialect), "FROM", dialect.table(spec.source_schema, spec.table), "WHERE"))
    one = "(" + " AND ".join(_equals(c, dialect) for c in columns) + ")"
    rows = list(zip(*(keys.column(c.name).to_pylist() for c in columns), strict=True))
    queries = []
    for start in range(0, len(rows), per_statement):
        chunk = rows[start : start + per_statement]
        united = "(" + " OR ".join([one] * len(chunk)) + ")"
        where = f"({spec.filter}) AND {united}" if spec.filter else united
        values = tuple(_text(value, c.source_logical.kind) for row in chunk for value, c in zip(row, columns, strict=True))
        queries.append(SelectQuery(f"{head} {where}", values))
    return queries


def _equals(column: ColumnSpec, dialect: SourceDialect) -> str:
    """A key declared to be compared loosely is found however it is spelled, at the price of its index where the source compares
    byte by byte: a row that is only spelled anew must not pass for gone."""
    name, marker = dialect.identifier(column.name), dialect.marker(column.source_logical.kind)
    if column.case_sensitive is not False or dialect.case_insensitive_keys or not column.source_logical.is_text:
        return f"{name} = {marker}"
    return f"LOWER(RTRIM({name})) = LOWER(RTRIM({marker}))"


def _text(value: object, kind: Kind) -> str:
    """A value as the parameter text of its kind."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f") + ("+00:00" if kind is Kind.TIMESTAMPTZ else "")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)
