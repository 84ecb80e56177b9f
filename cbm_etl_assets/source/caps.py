"""The text cap each table needed last time, kept between runs.

Owns one small file a table under CBM_HOME. A cap that is too small costs a second read of the table, so it is paid once, not
every night. Only a hint: a lost or foreign file costs that one read again.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


class CapMemory:
    """Caps only grow here; deleting the folder forgets them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def get(self, table: str) -> int | None:
        try:
            return int(self._path(table).read_text(encoding="ascii"))
        except (OSError, ValueError):  # never written, or not by us: no hint
            return None

    def remember(self, table: str, cap: int) -> None:
        with self._lock:
            if cap <= (self.get(table) or 0):
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            aside = self._path(table).with_suffix(f".{os.getpid()}.tmp")
            aside.write_text(str(cap), encoding="ascii")
            aside.replace(self._path(table))

    def _path(self, table: str) -> Path:
        return self._folder / f"{table}.cap"
