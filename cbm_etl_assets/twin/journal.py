"""The statement log: one JSON line a statement, so that a test can assert what was sent.

Owns the file. Login messages never reach it, so it holds no password.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cbm_etl_assets.twin.session import Session
from cbm_etl_assets.twin.translate import Translation


class Journal:
    def __init__(self, path: Path, now: Callable[[], dt.datetime]) -> None:
        self._now = now
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)

    def write(self, session: Session, sql: str, translated: Translation) -> None:
        streams = translated.streams
        refusal = next((s.refusal for s in streams if s.refusal), None)
        self._line(
            session, sql=sql, sent=translated.sql if translated.sql != sql else None, tables=sorted({t for s in streams for t in s.tables}),
            isolation0=session.isolation0, nolock=translated.nolock, refused=refusal.message if refusal else None,
        )  # fmt: skip

    def parameters(self, session: Session, values: list[str | None]) -> None:
        self._line(session, sql="", parameters=values)

    def close(self) -> None:
        self._file.close()

    def _line(self, session: Session, **fields: Any) -> None:
        entry = {"at": self._now().isoformat(), "connection": session.number} | fields
        self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
