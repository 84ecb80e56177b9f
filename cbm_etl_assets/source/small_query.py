"""A small result as Arrow, inside the reader process: probes, proofs, catalogue tables.

Owns the typing of values that no spec describes. Reads through pyodbc: exact values, no buffers to size.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from cbm_etl_assets.errors import SourceError
from cbm_etl_assets.source import dialects, errors_map, messages
from cbm_etl_assets.source.driver import import_pyodbc

MAX_ROWS = 1_000_000
_MAX_TEXT = 1024 * 1024

_TYPES: dict[type, pa.DataType] = {
    int: pa.int64(), str: pa.string(), bool: pa.bool_(), float: pa.float64(), dt.date: pa.date32(),
    dt.datetime: pa.timestamp("us"), dt.time: pa.time64("us"), bytes: pa.binary(), bytearray: pa.binary(),
}  # fmt: skip


def connect(request: messages.Message) -> Any:
    """A pyodbc connection of the request. Raises: the typed errors of `errors_map`."""
    pyodbc = import_pyodbc()
    pyodbc.pooling = False  # a pooled dead connection would be handed to the next request
    text = str(request["connection_string"])
    values = {
        "array_size": str(request["array_size"]), "text_bytes": str(_MAX_TEXT), "session_zone": str(request.get("session_zone", "UTC")),
        "login_timeout": str(request["login_timeout_seconds"]), "query_timeout": str(request["query_timeout_seconds"]),
    }  # fmt: skip
    try:
        complete = dialects.complete(text, dialects.profile_of(text), values)
        return pyodbc.connect(complete, timeout=request["login_timeout_seconds"], autocommit=True, readonly=True)
    except pyodbc.Error as error:
        raise errors_map.classify(str(error)) from error


def run_query(request: messages.Message) -> str:
    """The result as base64 of an Arrow stream. Raises: SourceError when it is not small."""
    pyodbc = import_pyodbc()
    connection = connect(request)
    try:
        cursor = connection.cursor()
        cursor.execute(request["sql"], *messages.load_values(request["parameters"]))
        names = [d[0] for d in cursor.description or ()]
        kinds = [d[1] for d in cursor.description or ()]
        rows = cursor.fetchmany(MAX_ROWS + 1) if names else []
    except pyodbc.Error as error:
        raise errors_map.classify(str(error)) from error
    finally:
        connection.close()
    if len(rows) > MAX_ROWS:
        raise SourceError(f"The query returned more than {MAX_ROWS:,} rows.", remedy="extract the table instead of querying it")
    return _encode(names, kinds, rows)


def _encode(names: Sequence[str], kinds: Sequence[type], rows: Sequence[Sequence[object]]) -> str:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    arrays = [_array(values, kind) for values, kind in zip(columns, kinds, strict=True)]
    sink = pa.BufferOutputStream()
    table = pa.Table.from_arrays(arrays, names=list(names))
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return base64.b64encode(sink.getvalue()).decode("ascii")


def _array(values: Sequence[object], kind: type) -> pa.Array:
    if kind is Decimal:
        known = any(v is not None for v in values)
        return pa.array(values) if known else pa.array(values, pa.decimal128(38, 0))
    return pa.array(values, _TYPES.get(kind, pa.string()))
