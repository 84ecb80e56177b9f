"""Types and names of PostgreSQL: logical type -> its word, catalogue text -> logical type, ADBC's Arrow -> plain Arrow. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.types import MAX_DECIMAL_PRECISION, Kind, LogicalType

if TYPE_CHECKING:
    import pyarrow as pa

# `text` carries no width: nothing is gained by one, and widening it would be DDL for nothing.
_WORDS = {
    Kind.VARCHAR: "text", Kind.INTEGER: "integer", Kind.BIGINT: "bigint", Kind.DOUBLE: "double precision", Kind.BOOLEAN: "boolean",
    Kind.DATE: "date", Kind.TIMESTAMP: "timestamp", Kind.TIMESTAMPTZ: "timestamptz", Kind.TIME: "time", Kind.BINARY: "bytea",
}  # fmt: skip
_KINDS = {
    "text": Kind.VARCHAR, "character varying": Kind.VARCHAR, "integer": Kind.INTEGER, "bigint": Kind.BIGINT,
    "double precision": Kind.DOUBLE, "boolean": Kind.BOOLEAN, "date": Kind.DATE, "timestamp without time zone": Kind.TIMESTAMP,
    "timestamp with time zone": Kind.TIMESTAMPTZ, "time without time zone": Kind.TIME, "bytea": Kind.BINARY,
}  # fmt: skip
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_TYPMOD = b"POSTGRESQL:typmod"
_NUMBER = {b"cbm": b"numeric"}
_TYPMOD_HEADER = 4  # PostgreSQL keeps numeric(p,s) as ((p << 16) | s) + 4


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def type_name(logical: LogicalType) -> str:
    if logical.kind is Kind.DECIMAL:
        return f"numeric({logical.precision},{logical.scale})"
    return _WORDS[logical.kind]


def logical_type(stored: str) -> LogicalType | None:
    """What format_type() says of a column we made. None: a type of somebody else's."""
    if found := _NUMERIC.fullmatch(stored):
        return LogicalType(Kind.DECIMAL, precision=int(found[1]), scale=int(found[2]))
    kind = _KINDS.get(re.sub(r"\(\d+\)", "", stored))
    return LogicalType(kind) if kind else None


def shown(stored: str) -> str:
    """A stored type as messages say it, for every warehouse alike."""
    known = logical_type(stored)
    return str(known).upper() if known else stored


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """What `plain_batch` makes of it: numeric(p,s) -> decimal128(p,s); other types Arrow has no word for -> text."""
    import pyarrow as pa

    return pa.schema([pa.field(field.name, *_plain_type(field)) for field in schema])


def plain_batch(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """ADBC gives numeric as text under an extension type: 16 million of them a second are cast."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for column, field in zip(batch.columns, schema, strict=True):
        storage = column.storage if isinstance(column, pa.ExtensionArray) else column
        columns.append(storage if storage.type == field.type else pc.cast(storage, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _plain_type(field: pa.Field) -> tuple[pa.DataType, bool, dict[bytes, bytes] | None]:
    """Type, nullable, metadata: a number without precision (a sum) stays text and is marked."""
    import pyarrow as pa

    if not isinstance(field.type, pa.BaseExtensionType):
        return field.type, True, None
    if getattr(field.type, "type_name", "") != "numeric":
        return field.type.storage_type, True, None
    typmod = int((field.metadata or {}).get(_TYPMOD, b"-1"))
    if typmod < _TYPMOD_HEADER:
        return field.type.storage_type, True, _NUMBER
    precision, scale = divmod(typmod - _TYPMOD_HEADER, 1 << 16)
    return (pa.decimal128(precision, scale) if precision <= MAX_DECIMAL_PRECISION else pa.string()), True, None


def is_number_as_text(field: pa.Field) -> bool:
    return (field.metadata or {}).get(b"cbm") == b"numeric"
