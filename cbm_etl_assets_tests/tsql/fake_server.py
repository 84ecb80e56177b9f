"""A recorded conversation with SQL Server at the driver's seam: what pyodbc would answer, statement by statement.

`FakeServer` knows no SQL. It recognises the platform's statements by a word in them, answers as the recorded state says, keeps
everything it was sent, and fails where it is told to: at once, only when the rest is fetched, or after the work was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyodbc

from cbm_etl_assets.warehouse.dialects.sqlserver_connect import Connection

TAG = "[Microsoft][ODBC Driver 18 for SQL Server][SQL Server]"


def failure(state: str, text: str, number: int) -> pyodbc.Error:
    """As the driver raises it."""
    return pyodbc.Error(state, f"[{state}] {TAG}{text} ({number}) (SQLExecDirectW)")


DEADLOCK = failure("40001", "Transaction (Process ID 61) was deadlocked on lock resources with another process", 1205)
LINK_LOST = failure("08S01", "TCP Provider: Error code 0x2746", 10054)


@dataclass
class Fault:
    """`when`: at once, rest (only nextset() tells), after (the work is done, the answer lost). Happens `times` times."""

    word: str
    error: pyodbc.Error
    when: str = "at once"
    times: int = 1


@dataclass
class FakeServer:
    """The server's memory. `tables`: role of ddl/table_columns -> column -> type."""

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    state: list[Any] = field(default_factory=lambda: ["client", 1, 0, 0, None, 1, "[]", 0, "", ""])
    is_bootstrapped: bool = True
    duplicates: tuple[int, int] = (0, 0)
    other_version: int = 0
    staged: int = 0
    outcome: dict[str, int] = field(default_factory=lambda: {"read": 0})
    left_over: list[str] = field(default_factory=list)
    owner: tuple[int, int] = (0, 0)
    described: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    sent: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0
    refused: list[pyodbc.Error] = field(default_factory=list)

    def __call__(self) -> Connection:
        self.opened += 1
        if self.refused:
            raise self.refused.pop(0)
        return _Connection(self)

    def texts(self, word: str = "") -> list[str]:
        return [text for text, _ in self.sent if word in text]

    def fault(self, text: str, when: str) -> None:
        for fault in self.faults:
            if fault.times and fault.when == when and fault.word in text:
                fault.times -= 1
                raise fault.error

    def answer(self, text: str, parameters: tuple[Any, ...]) -> list[list[tuple[Any, ...]]]:
        """Result sets; the statement's effect on the state is taken."""
        replies: list[tuple[str, Any]] = [
            ("AS has_tables", lambda: [self.owner]), ("AS table_name", lambda: [("ods", name) for name in self.left_over]),
            ("is_there", lambda: [(int(self.is_bootstrapped),)]), ("last_issued_seq + 1", self._issue),
            ("AS role", lambda: [(role, n, k) for role, columns in self.tables.items() for n, k in columns.items()]),
            ("MS_Description' AND s.name", lambda: list(self.described.items())), ("AS is_other", lambda: [(self.other_version,)]),
            ("AS rows_over", lambda: [self.duplicates]), ("TOP (3)", lambda: [("k",)]), ("SELECT outcome FROM", self._apply),
            ("outcome_seq, outcome_run_id, outcome\nFROM", lambda: [tuple(self.state)] if self.state else []),
            ("AS type_name\nFROM", lambda: list(self.tables.get("target", {}).items())),
            ("<> N'_cbm'", lambda: [(n,) for n in self.left_over]),
            ("SELECT COUNT_BIG(*) AS n", lambda: [(self.staged,)]), ("ROWCOUNT_BIG() AS n", lambda: [(1,)]),
            ("is_read_committed_snapshot_on", lambda: [(False, 120, "French_CI_AS", "15.0.2000", 0)]),
        ]  # fmt: skip
        return next(([reply()] for word, reply in replies if word in text), [])

    def _issue(self) -> list[tuple[Any, ...]]:
        self.state[1] += 1
        self.state[5] += 1
        return [tuple(self.state)]

    def _apply(self) -> list[tuple[Any, ...]]:
        values = self.sent[-1][1]
        self.state[2], self.state[7], self.state[8] = values[4], values[4], values[5]
        self.state[9] = " ".join(f"{name}={count}" for name, count in self.outcome.items())
        return [(self.state[9],)]


class _Connection:
    def __init__(self, server: FakeServer) -> None:
        self._server = server

    def cursor(self) -> _Cursor:
        return _Cursor(self._server)

    def close(self) -> None:
        self._server.closed += 1


class _Cursor:
    fast_executemany = False

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._text = ""
        self._sets: list[list[tuple[Any, ...]]] = []

    @property
    def description(self) -> Any:
        return [("c", str, None, None, 0, 0, True)] if self._sets else None

    def execute(self, sql: str, *parameters: Any) -> None:
        self._server.sent.append((sql, parameters))
        self._text = sql
        self._server.fault(sql, "at once")
        self._sets = self._server.answer(sql, parameters)
        self._server.fault(sql, "after")

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        assert all(len(size) == 3 for size in sizes)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> None:
        self._server.sent.append((sql, tuple(parameters)))
        self._text = sql
        self._server.fault(sql, "at once")
        self._sets = []

    def fetchall(self) -> list[Any]:
        return self._sets[0]

    def fetchmany(self, size: int) -> list[Any]:
        rows, self._sets[0] = self._sets[0][:size], self._sets[0][size:]
        return rows

    def nextset(self) -> bool:
        self._server.fault(self._text, "rest")
        self._sets = self._sets[1:]
        return bool(self._sets)


@dataclass
class FakeSender:
    """The bulk copy: counts what it takes, and fails after so many rows when told."""

    server: FakeServer
    fail_after: int | None = None
    error: BaseException = field(default_factory=lambda: RuntimeError("Failed to send bulk copy: connection reset by peer"))
    streams: list[int] = field(default_factory=list)
    schema: pa.Schema | None = None

    def __call__(self, target: Any, names: Sequence[str], reader: pa.RecordBatchReader) -> None:
        self.streams.append(0)
        self.schema = reader.schema
        for batch in reader:
            self.streams[-1] += batch.num_rows
            self.server.staged += batch.num_rows
            if self.fail_after is not None and self.server.staged >= self.fail_after:
                raise self.error
