"""The faults a test may order, and when one is due.

Owns the orders and their countdown. What a fault does to a connection is the proxy's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cbm_etl_assets.errors import ConfigurationError


class FaultKind(StrEnum):
    CUT = "cut"  # RST after after_rows rows
    FIN = "fin"  # orderly close after after_rows rows
    STALL = "stall"  # the rows stop, the link stays
    LOCK = "lock"  # record-lock error after after_rows rows, unless NOLOCK or isolation 0
    REFUSE = "refuse"  # the next logins are refused
    CAP = "cap"  # logins beyond `value` open connections are refused
    LATENCY = "latency"  # `milliseconds` for every `array_size` rows


_AFTER_ROWS = (FaultKind.CUT, FaultKind.FIN, FaultKind.STALL, FaultKind.LOCK)


@dataclass
class Fault:
    """One order. `table` None = any table; `times` 0 = until cleared."""

    kind: FaultKind
    table: str | None = None
    after_rows: int = 0
    times: int = 1
    value: int = 0
    milliseconds: float = 0
    array_size: int = 50
    fired: int = 0

    @property
    def spent(self) -> bool:
        return 0 < self.times <= self.fired

    def concerns(self, tables: Iterable[str]) -> bool:
        return self.table is None or self.table.lower() in tables

    @classmethod
    def parse(cls, order: dict[str, Any]) -> Fault:
        """Raises: ConfigurationError naming the known kinds or fields."""
        kind = order.get("kind")
        if kind not in set(FaultKind):
            raise ConfigurationError(f"Unknown fault '{kind}'. Known: {', '.join(FaultKind)}.")
        unknown = set(order) - {"kind", "table", "after_rows", "times", "value", "milliseconds", "array_size"}
        if unknown:
            known = "table, after_rows, times, value, milliseconds, array_size"
            raise ConfigurationError(f"Unknown field '{min(unknown)}' of a fault. Known: {known}.")
        standing = kind in (FaultKind.CAP, FaultKind.LATENCY)
        return cls(**({"times": 0 if standing else 1} | order | {"kind": FaultKind(kind)}))


class FaultBook:
    """The orders in force, in the order they came."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, order: dict[str, Any]) -> None:
        self._faults.append(Fault.parse(order))

    def clear(self) -> None:
        self._faults.clear()

    def standing(self) -> list[dict[str, Any]]:
        return [dict(vars(f)) for f in self._faults if not f.spent]

    def refuses(self, open_connections: int) -> bool:
        """Whether a login is refused now; counts it."""
        for fault in self._active(FaultKind.REFUSE, FaultKind.CAP):
            if fault.kind is FaultKind.REFUSE or open_connections >= fault.value:
                fault.fired += 1
                return True
        return False

    def next_event(self, tables: Iterable[str], locks: bool) -> Fault | None:
        """The fault that strikes a read of these tables first; `locks`: whether the read asks for record locks."""
        known = set(tables)
        due = [f for f in self._active(*_AFTER_ROWS) if known and f.concerns(known) and (locks or f.kind is not FaultKind.LOCK)]
        return min(due, key=lambda f: f.after_rows, default=None)

    def latency(self, tables: Iterable[str]) -> Fault | None:
        known = set(tables)
        return next((f for f in self._active(FaultKind.LATENCY) if known and f.concerns(known)), None)

    def _active(self, *kinds: FaultKind) -> list[Fault]:
        return [f for f in self._faults if f.kind in kinds and not f.spent]
