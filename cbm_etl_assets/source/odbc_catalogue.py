"""Table descriptions through the ODBC catalogue functions, for dialect `ansi`. Runs inside the reader process.

Owns SQLTables, SQLColumns, SQLPrimaryKeys and SQLStatistics and the way from an ODBC type to a LogicalType. Its answers
are JSON; `parse_table` gives the parent a SourceTable.
"""

from __future__ import annotations

from typing import Any

from cbm_etl_assets.errors import SourceSchemaError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.types import MAX_DECIMAL_PRECISION, Kind, LogicalType
from cbm_etl_assets.source import errors_map, messages
from cbm_etl_assets.source.driver import import_pyodbc

# Beyond this a "width" is the driver's word for "no limit" (psqlODBC: MaxLongVarcharSize, 255 for UnknownSizes).
_UNBOUNDED_CHARACTERS = 1_000_000
_SQL_INDEX_STATISTIC = 0

_KINDS: dict[int, Kind] = {
    -7: Kind.BOOLEAN, 16: Kind.BOOLEAN, -6: Kind.INTEGER, 5: Kind.INTEGER, 4: Kind.INTEGER, -5: Kind.BIGINT,
    2: Kind.DECIMAL, 3: Kind.DECIMAL, 6: Kind.DOUBLE, 7: Kind.DOUBLE, 8: Kind.DOUBLE,
    9: Kind.DATE, 91: Kind.DATE, 10: Kind.TIME, 92: Kind.TIME, 11: Kind.TIMESTAMP, 93: Kind.TIMESTAMP, 95: Kind.TIMESTAMPTZ,
    -155: Kind.TIMESTAMPTZ, -2: Kind.BINARY, -3: Kind.BINARY, -4: Kind.BINARY,
}  # fmt: skip
_LONG_TEXT = (-1, -10)
_AWARE_NAMES = ("timestamptz", "timestamp with time zone", "timestamp_tz", "datetimeoffset")
_LONG_NAMES = ("text", "clob", "json", "jsonb", "xml")


def describe(request: messages.Message) -> Any:
    """`tables`: names of a schema; otherwise columns, indexes and key of one table, as plain data."""
    from cbm_etl_assets.source.small_query import connect

    pyodbc = import_pyodbc()
    connection = connect(request)
    try:
        if request.get("table") is None:
            return _names(connection, request["schema"])
        return _table(connection, request["schema"], request["table"])
    except pyodbc.Error as error:
        raise errors_map.classify(str(error), table=request.get("table") or "") from error
    finally:
        connection.close()


def _names(connection: Any, schema: str) -> list[str]:
    # Filtered here, not by the driver: its schema argument is a LIKE pattern and cares for case.
    rows = connection.cursor().tables(tableType="TABLE").fetchall()
    return sorted(r.table_name for r in rows if not schema or (r.table_schem or "").lower() == schema.lower())


def _table(connection: Any, schema: str, table: str) -> messages.Message:
    rows = connection.cursor().tables(tableType="TABLE").fetchall()
    wanted = (r for r in rows if r.table_name.lower() == table.lower() and (not schema or (r.table_schem or "").lower() == schema.lower()))
    found = next(iter(sorted(wanted, key=lambda r: r.table_name != table)), None)
    if found is None:
        known = ", ".join(_names(connection, schema)) or "none"
        raise SourceSchemaError(f"Table '{table}' is not in schema '{schema}' of the source. Known: {known}.")
    real_schema, real = found.table_schem, found.table_name
    cursor = connection.cursor()
    columns = [c for c in cursor.columns(table=real, schema=real_schema).fetchall() if c.table_name == real]
    keys = sorted((k.key_seq, k.column_name, k.pk_name) for k in cursor.primaryKeys(table=real, schema=real_schema).fetchall())
    parts = [s for s in cursor.statistics(table=real, schema=real_schema).fetchall() if s[6] != _SQL_INDEX_STATISTIC and s[8]]
    return {
        "schema": real_schema or "",
        "name": real,
        "columns": [_column(c) for c in columns],
        "key": [name for _, name, _ in keys],
        "key_name": keys[0][2] or "" if keys else "",
        "indexes": [{"name": s[5], "unique": not s[3], "seq": s[7], "column": s[8].strip('"')} for s in parts],
    }


def _column(row: Any) -> messages.Message:
    # psqlODBC puts the comment of the column in remarks; data_type is the ODBC number, type_name the server's word.
    return {
        "name": row.column_name, "type": str(_logical(row)), "type_name": row.type_name, "nullable": bool(row.nullable),
        "width": _width(row), "position": row.ordinal_position, "remarks": row.remarks or "",
    }  # fmt: skip


def _logical(row: Any) -> LogicalType:
    name = (row.type_name or "").lower()
    kind = Kind.TIMESTAMPTZ if name in _AWARE_NAMES else _KINDS.get(row.data_type, Kind.VARCHAR)
    if kind is Kind.DECIMAL:
        return _decimal(row.column_size, row.decimal_digits)
    return LogicalType(kind, width=_width(row)) if kind is Kind.VARCHAR else LogicalType(kind)


def _decimal(precision: int | None, scale: int | None) -> LogicalType:
    """A decimal without declared digits gets the widest type; a value of more than 10 decimals is then reported, not cut."""
    if not precision or precision > MAX_DECIMAL_PRECISION or not 0 <= (scale or 0) <= precision:
        return LogicalType(Kind.DECIMAL, precision=MAX_DECIMAL_PRECISION, scale=10)
    return LogicalType(Kind.DECIMAL, precision=precision, scale=scale or 0)


def _width(row: Any) -> int | None:
    is_text = row.data_type not in _KINDS and row.data_type not in _LONG_TEXT and (row.type_name or "").lower() not in _LONG_NAMES
    return row.column_size if is_text and row.column_size and 0 < row.column_size < _UNBOUNDED_CHARACTERS else None


def parse_table(found: messages.Message) -> SourceTable:
    columns = tuple(
        SourceColumn(
            name=c["name"], type=LogicalType.parse(c["type"]), abl_type=c["type_name"], mandatory=not c["nullable"],
            case_sensitive=True, sql_width=c["width"], order=c["position"], description=c["remarks"],
        )
        for c in found["columns"]
    )  # fmt: skip
    return SourceTable(name=found["name"], columns=columns, indexes=_indexes(found), schema=found["schema"])


def _indexes(found: messages.Message) -> tuple[SourceIndex, ...]:
    by_name: dict[str, list[messages.Message]] = {}
    for part in found["indexes"]:
        by_name.setdefault(part["name"], []).append(part)
    key = tuple(found["key"])
    indexes = []
    for name, parts in by_name.items():
        columns = tuple(p["column"] for p in sorted(parts, key=lambda p: p["seq"]))
        indexes.append(SourceIndex(name, columns, unique=parts[0]["unique"], primary=columns == key and parts[0]["unique"]))
    if key and not any(i.primary for i in indexes):
        indexes.append(SourceIndex(found["key_name"] or "primary_key", key, unique=True, primary=True))
    return tuple(indexes)
