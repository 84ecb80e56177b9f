"""Reading: which statements only read, and the driver's rows as Arrow.

SQL Server has no read-only session on a primary: a person's statement must be one SELECT, and what it is run in is rolled back.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Rows

if TYPE_CHECKING:
    import pyarrow as pa

_SKIPPED = re.compile(r"--[^\n]*|/\*.*?\*/|N?'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|\"(?:[^\"]|\"\")*\"", re.DOTALL)
_WORD = re.compile(r"[A-Za-z_@#][A-Za-z0-9_@#$]*")
# Reserved words: none is a column's name without brackets. INTO makes a table, OPENQUERY and its kin run text elsewhere.
_WRITING = frozenset({
    "insert", "update", "delete", "merge", "into", "exec", "execute", "create", "alter", "drop", "truncate", "grant", "revoke", "deny",
    "backup", "restore", "shutdown", "dbcc", "kill", "bulk", "openquery", "openrowset", "opendatasource", "use", "set", "declare",
    "waitfor", "commit", "rollback", "begin", "save", "reconfigure", "writetext", "updatetext", "readtext", "print", "raiserror", "throw",
})  # fmt: skip
_INTEGERS = {3: "int16", 5: "int16", 10: "int32", 19: "int64"}


def check_reads(sql: str) -> None:
    """Raises: WarehouseError where the text is anything but one reading statement."""
    words = [word.lower() for word in _WORD.findall(_SKIPPED.sub(" ", sql))]
    if not words:
        raise WarehouseError("There is no statement in the query.", remedy="for instance SELECT TOP 10 * FROM ods.client")
    if found := next((word for word in words if word in _WRITING), ""):
        raise WarehouseError(f"The warehouse refused the query: {found.upper()} does not only read.", remedy="only reading statements here")
    if words[0] not in ("select", "with"):
        # Anything else that begins a batch is taken for the name of a procedure and executed.
        raise WarehouseError(
            f"The warehouse refused the query: it begins with '{words[0]}'.", remedy="check the statement: SELECT or WITH comes first"
        )


def arrow_schema(columns: Sequence[Any]) -> pa.Schema:
    """From the driver's descriptions: (name, Python type, -, size, precision, scale, nullable)."""
    import pyarrow as pa

    return pa.schema([pa.field(str(column[0]), _arrow_type(column)) for column in columns])


def _arrow_type(column: Any) -> pa.DataType:
    import pyarrow as pa

    kind, precision, scale = column[1], int(column[4] or 0), int(column[5] or 0)
    if kind is Decimal:
        return pa.decimal128(min(max(precision, 1), 38), scale)
    if kind is int:
        return pa.type_for_alias(_INTEGERS.get(precision, "int64"))
    if kind is str and scale > 0:
        # datetimeoffset, read by our converter: pyodbc calls every converted type str, but only this one has decimals.
        return pa.timestamp("us", tz="UTC")
    plain = {
        bool: pa.bool_(), float: pa.float64(), dt.datetime: pa.timestamp("us"), dt.date: pa.date32(), dt.time: pa.time64("us"),
        bytes: pa.binary(), bytearray: pa.binary(),
    }  # fmt: skip
    found: pa.DataType = plain.get(kind, pa.string())
    return found


def arrow_batch(schema: pa.Schema, rows: Rows) -> pa.RecordBatch:
    import pyarrow as pa

    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
