"""Keeping house: old rows of the journal, old logs and reports leave. Loads need none of it; Dagster's own log is `orchestration`'s."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.settings import Settings

LOG_FILES = ("cbm-etl-*.jsonl", "crash-*.txt")
REPORT_FILES = ("*.html",)


@dataclass(frozen=True)
class Tidied:
    """Rows removed by table; files removed from CBM_HOME/logs and CBM_HOME/reports."""

    rows: dict[str, int] = field(default_factory=dict)
    files: int = 0


def tidy(control: Control, settings: Settings, now: dt.datetime) -> Tidied:
    """0 days keep for ever. Raises: OSError when a log file cannot be removed."""
    keep = settings.journal
    control.reap_runs()
    rows = control.prune(now - dt.timedelta(days=keep.log_days)) if keep.log_days else {}
    before = now - dt.timedelta(days=keep.file_days)
    files = _old_files(settings.log_dir, LOG_FILES, before) + _old_files(settings.home / "reports", REPORT_FILES, before)
    files = files if keep.file_days else []
    for path in files:
        path.unlink(missing_ok=True)  # another process tidies too
    return Tidied(rows, len(files))


def _old_files(folder: Path, patterns: tuple[str, ...], before: dt.datetime) -> list[Path]:
    """By their last change: a file of yesterday that a long run still appends to is not old."""
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    return [path for path in found if path.stat().st_mtime < before.timestamp()]
