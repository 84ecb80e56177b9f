"""What one connection has asked for and what it still waits for.

Owns the order of expected answers, cursors, prepared statements, the isolation level and the row countdown of faults.
Knows nothing of sockets: the proxy feeds it messages and does what it answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from cbm_etl_assets.twin.wire import WireError


@dataclass(eq=False)
class Stream:
    """One statement's result. `widths` are the SQL widths by lower-case column name, for columns PostgreSQL cannot trace."""

    tables: frozenset[str] = frozenset()
    widths: dict[str, int] = field(default_factory=dict)
    locks: bool = False
    cursor: bool = False
    refusal: WireError | None = None
    rows: int = 0


NOTHING = Stream()


@dataclass(eq=False)
class Expected:
    """An answer to come: parse, describe, result or sync."""

    kind: str
    stream: Stream = NOTHING


class Session:
    def __init__(self, number: int) -> None:
        self.number = number
        self.isolation0 = False
        self.schema: str | None = None
        self.expected: deque[Expected] = deque()
        self.prepared: dict[str, Stream] = {}
        self.portals: dict[str, Stream] = {}
        self.cursors: dict[str, Stream] = {}
        self.discarding = False

    @property
    def current(self) -> Stream:
        """The statement whose rows are arriving."""
        return self.expected[0].stream if self.expected else NOTHING

    def expect(self, kind: str, stream: Stream = NOTHING) -> None:
        self.expected.append(Expected(kind, stream))

    def finish(self, *kinds: str) -> None:
        """The first expected answer has come, when it is of such a kind."""
        if self.expected and self.expected[0].kind in kinds:
            self.expected.popleft()

    def fail(self) -> WireError | None:
        """An error ends everything up to the next sync; answers the refusal the proxy meant, where it is the cause."""
        meant = self.current.refusal
        while self.expected and self.expected[0].kind != "sync":
            self.expected.popleft()
        return meant
