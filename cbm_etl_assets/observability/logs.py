"""Logs: JSON lines under CBM_HOME/logs, one file a day, redacted before they are written.

Owns the format, the file and the crash report. Disowns what is worth logging: modules use `logging.getLogger(__name__)`.
The standard library is enough here: structlog costs 0.36 s at import on two cores, more than the whole `cbm-etl --help`.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from cbm_etl_assets.observability.context import log_fields
from cbm_etl_assets.reliability.redact import redact

ROOT = "cbm_etl_assets"
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


class JsonFormatter(logging.Formatter):
    """One record, one line: at_utc, level, logger, message, run_id, table and layer of the load it belongs to, the record's
    `extra` fields, and the traceback when there is one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        self._secrets = tuple(secrets)

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "at_utc": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "process": record.process, "logger": record.name,
            "message": redact(record.getMessage(), self._secrets),
        }  # fmt: skip
        entry |= log_fields()
        entry |= {k: self._plain(v) for k, v in record.__dict__.items() if k not in _STANDARD}
        if record.exc_info:
            entry["traceback"] = redact(self.formatException(record.exc_info), self._secrets)
        return json.dumps(entry, ensure_ascii=False)

    def _plain(self, value: object) -> object:
        """Numbers stay numbers, so that a reader can add them up; everything else is redacted text."""
        return value if isinstance(value, bool | int | float) and value == value else redact(str(value), self._secrets)


class DailyFile(logging.Handler):
    """Appends to `cbm-etl-<UTC day>.jsonl`. Opened per record: several processes write the same file, and a rename or a
    removal by an operator is survived; a line goes out in one append, so that lines of two processes never interleave."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def path(self, created: float) -> Path:
        return self.folder / f"cbm-etl-{dt.datetime.fromtimestamp(created, dt.UTC):%Y-%m-%d}.jsonl"

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.path(record.created).open("ab", buffering=0) as file:
                file.write((self.format(record) + "\n").encode("utf-8", "backslashreplace"))
        except OSError:
            self.handleError(record)  # a full disk must not fail a load: logging says so on stderr


def configure_logging(folder: Path, secrets: Iterable[str] = (), level: int = logging.INFO) -> Path:
    """Send the package's records to the daily file; called again, it replaces the former file. Returns today's file."""
    handler = DailyFile(folder)
    handler.setFormatter(JsonFormatter(secrets))
    logger = logging.getLogger(ROOT)
    for former in [h for h in logger.handlers if isinstance(h, DailyFile)]:
        logger.removeHandler(former)
    logger.addHandler(handler)
    logger.setLevel(level)
    return handler.path(dt.datetime.now(dt.UTC).timestamp())


def write_crash_report(
    folder: Path, error: BaseException, secrets: Iterable[str] = (), now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
) -> Path:
    """The full redacted traceback of an unexpected error, in a file of its own. Raises: OSError when the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"crash-{now():%Y%m%dT%H%M%S%f}.txt"
    path.write_text(redact("".join(traceback.format_exception(error)), secrets), encoding="utf-8", errors="backslashreplace")
    return path
