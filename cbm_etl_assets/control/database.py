"""The little of a database that the control room needs, and the rules that hold on every one of them.

Owns the Protocol, the conversion of values, the translation of names and stamps in results. The two implementations
are `control.sqlite` (standard library: importing SQLAlchemy costs 0.5 s, more than half of a small incremental load)
and `control.alchemy` (every other URL). Both run the same SQL files with the same `:name` parameters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

Parameters = Mapping[str, object]
Row = dict[str, object]
_STAMP_SUFFIXES = ("ts", "utc")


class Session(Protocol):
    """One open write transaction."""

    def execute(self, sql: str, parameters: Parameters | None = None) -> int:
        """Returns the number of rows changed."""
        ...

    def execute_many(self, sql: str, parameters: Sequence[Parameters]) -> None: ...

    def rows(self, sql: str, parameters: Parameters | None = None) -> list[Row]: ...


class Database(Protocol):
    """Raises, everywhere: TransientControlError when busy or out of reach, ControlError otherwise."""

    dialect: str

    def transaction(self) -> AbstractContextManager[Session]:
        """Commits at the end, rolls back on an exception."""
        ...

    def read(self, sql: str, parameters: Parameters | None = None) -> list[Row]:
        """Read-only: a statement that writes is refused by the database itself."""
        ...

    def close(self) -> None: ...


def utc_naive(value: object) -> object:
    """Aware stamps become naive UTC, naive ones (the source's wall clock) pass unchanged."""
    if isinstance(value, dt.datetime) and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value


def is_stamp(column: str) -> bool:
    """Every stamp column is named ...Ts or ...Utc: SQLite has no type to tell."""
    return column.lower().endswith(_STAMP_SUFFIXES)
