"""Progress of loads: rich bars with rows/s and ETA on a terminal, plain lines elsewhere, silence for a machine.

Owns the reading of LoadEvent. Thread-safe: several tables load at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cbm_etl_assets.cli.output import Output, number

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from cbm_etl_assets.pipeline.results import LoadEvent, OnEvent

STAGES = {"extract": "reading", "stage": "staging", "merge": "merging", "done": "done"}
# A log read by a person or kept by a scheduler: one line a table and stage, and one each 10 s of a long stage.
LINE_EVERY_SECONDS = 10.0


def _rate(rows: int, seconds: float) -> str:
    return f"{number(rows / seconds)} rows/s" if seconds > 0.05 else ""


def _eta(rows: int, expected: int | None, seconds: float) -> str:
    if not expected or not rows or rows >= expected or seconds <= 0.05:
        return ""
    return f"ETA {max(1, round((expected - rows) * seconds / rows))} s"


class LineProgress:
    """Plain lines for a log file."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._lock = threading.Lock()
        self._stage: dict[str, tuple[str, float, float]] = {}  # table -> stage, began, last line

    def __call__(self, event: LoadEvent) -> None:
        with self._lock:
            now = self._clock()
            stage, began, last = self._stage.get(event.table, ("", now, now))
            if event.stage != stage:
                began = last = now
            elif event.stage == "done" or now - last < LINE_EVERY_SECONDS:
                return
            else:
                last = now
            self._stage[event.table] = (event.stage, began, last)
            self._say(self._line(event, now - began))

    def _line(self, event: LoadEvent, seconds: float) -> str:
        parts = [f"{event.table}: {STAGES.get(event.stage, event.stage)}"]
        parts += [f"{number(event.rows)} rows"] if event.rows else []
        return ", ".join([*parts, *(p for p in (_rate(event.rows, seconds), _eta(event.rows, event.expected_rows, seconds)) if p)])


class BarProgress:
    """One rich bar a table; a finished table leaves, the result table says the rest."""

    def __init__(self, bars: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._bars, self._clock = bars, clock
        self._lock = threading.Lock()
        self._tasks: dict[str, tuple[TaskID, str, float]] = {}

    def __call__(self, event: LoadEvent) -> None:
        with self._lock:
            now = self._clock()
            if event.stage == "done":
                if held := self._tasks.pop(event.table, None):
                    self._bars.remove_task(held[0])
                return
            task, stage, began = self._tasks.get(event.table) or (self._new(event.table), "", now)
            if stage != event.stage:
                began = now
                self._bars.reset(task, total=event.expected_rows)
            self._tasks[event.table] = (task, event.stage, began)
            seconds = now - began
            rate = "  ".join(p for p in (_rate(event.rows, seconds), _eta(event.rows, event.expected_rows, seconds)) if p)
            self._bars.update(
                task, completed=event.rows, total=event.expected_rows or None, stage=STAGES.get(event.stage, event.stage),
                rows=number(event.rows), rate=rate,
            )  # fmt: skip

    def _new(self, table: str) -> TaskID:
        return self._bars.add_task(table, total=None, stage="", rows="0", rate="")


@contextmanager
def load_progress(output: Output, clock: Callable[[], float] = time.monotonic) -> Iterator[OnEvent | None]:
    """What a load reports to: bars, lines, or None for a machine."""
    if output.quiet:
        yield None
    elif not output.err.isatty():
        yield LineProgress(output.note, clock)
    else:
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        from cbm_etl_assets.cli.output import console

        columns = (
            SpinnerColumn(), TextColumn("{task.description}", markup=False), TextColumn("{task.fields[stage]}", style="cyan", markup=False),
            BarColumn(bar_width=30), TextColumn("{task.fields[rows]} rows", markup=False), TextColumn("{task.fields[rate]}", markup=False),
            TimeElapsedColumn(),
        )  # fmt: skip
        with Progress(*columns, console=console(output.err), transient=True) as bars:
            yield BarProgress(bars, clock)
