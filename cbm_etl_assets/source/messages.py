"""What the parent and the reader process say to each other: JSON lines.

Owns the encoding of requests, events, parameters and errors. Light on purpose: both sides import it before anything heavy.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from cbm_etl_assets import errors

Message = dict[str, Any]

_TAGS: dict[str, tuple[type, Any]] = {
    "datetime": (dt.datetime, dt.datetime.fromisoformat),
    "date": (dt.date, dt.date.fromisoformat),
    "time": (dt.time, dt.time.fromisoformat),
    "decimal": (Decimal, Decimal),
    "bytes": (bytes, bytes.fromhex),
}


def dump(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def load(line: bytes) -> Message:
    """Raises: ValueError on anything that is not one JSON object."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError(f"not a JSON object: {line[:80]!r}")
    return message


def dump_values(values: Sequence[object]) -> list[Any]:
    """Parameters of a query, types kept: a date stays a date at the driver."""
    return [_dump_value(v) for v in values]


def _dump_value(value: object) -> Any:
    for tag, (kind, _) in _TAGS.items():
        if isinstance(value, kind):
            return {"type": tag, "value": value.hex() if isinstance(value, bytes) else _text(value)}
    return value


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def load_values(values: Sequence[Any]) -> list[Any]:
    return [_TAGS[v["type"]][1](v["value"]) if isinstance(v, dict) else v for v in values]


def dump_error(error: errors.CbmError) -> Message:
    message: Message = {"event": "error", "type": type(error).__name__, "message": error.message, "remedy": error.remedy}
    if isinstance(error, errors.SqlWidthError):
        message |= {"table": error.table, "column": error.column}
    return message


def load_error(message: Message) -> errors.CbmError:
    """The same typed error on this side; an unknown type becomes the final SourceError, never a success."""
    kind = getattr(errors, str(message.get("type")), errors.SourceError)
    text, remedy = str(message.get("message", "")), str(message.get("remedy", ""))
    if kind is errors.SqlWidthError:
        return errors.SqlWidthError(text, table=message.get("table", ""), column=message.get("column", ""), remedy=remedy)
    if not (isinstance(kind, type) and issubclass(kind, errors.CbmError)) or kind is errors.UnknownTableError:
        kind = errors.SourceError
    return kind(text, remedy=remedy)
