"""Output: results on stdout (a rich table, or one JSON document with `--json`), everything said on the way on stderr.

Owns the form. Values come from a source nobody controls: they are never read as rich markup, and control characters are
shown, not sent to the terminal.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import IO, Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

# Piped output has no width of its own: a table gets the width it needs, between these. Rich would take the 80 columns of COLUMNS, or of
# whatever terminal the process was started from, and cut. Beyond the second a cell folds: one memo of 31,000 characters pads every line.
PIPE_WIDTH = 180
PIPE_WIDTH_MOST = 1000
# A hash of 32 bytes is shown whole; of an image (sports2000: 29,022 bytes) nobody reads the 58,044 digits. --json gives all.
BYTES_SHOWN = 32
SPACES = "\n\t\u00a0\u202f"
STYLES = {"success": "green", "ok": "green", "failed": "bold red", "fail": "bold red", "busy": "yellow", "warn": "yellow",
          "skipped": "yellow", "skip": "dim", "started": "cyan"}  # fmt: skip


def console(stream: IO[str] | None = None) -> Console:
    file = stream or sys.stdout
    return Console(file=file, width=None if file.isatty() else PIPE_WIDTH, highlight=False, emoji=False, markup=False, soft_wrap=False)


def _widen(screen: Console, shown: RenderableType) -> None:
    if not screen.file.isatty():
        needed = Measurement.get(screen, screen.options.update(max_width=PIPE_WIDTH_MOST), shown).maximum
        screen.width = max(PIPE_WIDTH, needed)


def printable(text: str) -> str:
    """Control and direction characters spelled (`\\x1b`), so that a value cannot drive the terminal."""
    return "".join(c if c.isprintable() or c in SPACES else c.encode("unicode_escape").decode() for c in text)


def number(value: float | int | None, digits: int = 0) -> str:
    """1234567 -> '1 234 567': grouped by a no-break space, as French and ISO readers expect."""
    return "" if value is None else f"{value:,.{digits}f}".replace(",", "\u00a0")


def plain(value: object) -> Any:
    """A value as JSON can carry it; exact decimals and instants as text."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Decimal | Path | dt.timedelta):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _finite(value: Any) -> Any:
    """NaN and the infinities become text: they are no JSON, and a strict reader would refuse the whole document."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value


def cell(value: object) -> Text:
    if value is None:
        return Text("NULL", style="dim")
    if isinstance(value, bytes | bytearray | memoryview):
        return Text(_bytes(bytes(value)))
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = printable(str(value.value) if isinstance(value, Enum) else str(value))
        return Text(text, style=STYLES.get(text, ""))
    return Text(str(value), justify="right")


def _bytes(value: bytes) -> str:
    return value.hex() if len(value) <= BYTES_SHOWN else f"{value[: BYTES_SHOWN // 2].hex()}… ({number(len(value))} bytes)"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Sequence[str] = ()) -> Table:
    built = Table(title=title or None, title_justify="left", header_style="bold", show_edge=True)
    for name in columns:
        built.add_column(Text(printable(name)), justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        built.add_row(*(cell(value) for value in row))
    return built


class Output:
    """Where a command says what it found. `machine` = --json."""

    def __init__(self, *, machine: bool = False, out: IO[str] | None = None, err: IO[str] | None = None) -> None:
        self.machine = machine
        self._out = out or sys.stdout
        self.err = err or sys.stderr

    @property
    def quiet(self) -> bool:
        """A machine reads and nobody watches: no progress."""
        return self.machine and not self.err.isatty()

    def note(self, text: str) -> None:
        """Something worth knowing beside the result; never on stdout."""
        print(printable(text), file=self.err, flush=True)

    def result(self, document: dict[str, Any], *shown: RenderableType) -> None:
        """The JSON document for a machine, the renderables for a person. Keys are documented and stable."""
        if self.machine:
            print(json.dumps(_finite(document), default=plain, ensure_ascii=False, indent=2), file=self._out)
            return
        screen = console(self._out)
        for one in shown:
            if isinstance(one, str):
                screen.print(Text(printable(one)), soft_wrap=True)  # a command in it must stay one line to be copied
            else:
                _widen(screen, one)
                screen.print(one)
