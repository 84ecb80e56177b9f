"""What every log line of a load carries: run_id, table, layer. Set once around the load, read by the formatter.

Owns a context variable, so that parallel loads in threads do not mix. Import-light: every load imports it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_NONE: Mapping[str, str] = MappingProxyType({})
_FIELDS: ContextVar[Mapping[str, str]] = ContextVar("cbm_log_fields", default=_NONE)


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Within it, records of this thread carry these fields beside those already bound."""
    token = _FIELDS.set({**_FIELDS.get(), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def mark(**fields: str) -> None:
    """Change fields from here to the end of the innermost `bound`: a load marks the layer it has come to."""
    _FIELDS.set({**_FIELDS.get(), **fields})


def log_fields() -> Mapping[str, str]:
    return _FIELDS.get()
