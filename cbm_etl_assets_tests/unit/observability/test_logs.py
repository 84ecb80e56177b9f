"""Logs: one JSON line a record, redacted, one file a day; the crash report holds the traceback and no secret."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.observability.logs import ROOT, DailyFile, configure_logging, write_crash_report

CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    logger = logging.getLogger(ROOT)
    before, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = before
    logger.setLevel(level)


def test_a_record_is_one_redacted_json_line(tmp_path: Path) -> None:
    path = configure_logging(tmp_path, [f"DSN=x;PWD={CANARY}"])
    try:
        raise ValueError(f"bad {CANARY}")
    except ValueError:
        logging.getLogger(f"{ROOT}.x").exception("failed\nfor %s", CANARY, extra={"table": "client", "detail": CANARY})
    text = path.read_text()
    assert CANARY not in text
    line = json.loads(text)
    assert (line["table"], line["level"], line["logger"]) == ("client", "error", f"{ROOT}.x")
    assert "ValueError" in line["traceback"]


def test_configured_twice_writes_once(tmp_path: Path) -> None:
    configure_logging(tmp_path / "a")
    path = configure_logging(tmp_path / "b")
    logging.getLogger(ROOT).info("x")
    assert len(path.read_text().splitlines()) == 1
    assert not (tmp_path / "a").exists()


def test_the_file_is_the_records_utc_day(tmp_path: Path) -> None:
    created = dt.datetime(2026, 3, 1, 23, 59, tzinfo=dt.UTC).timestamp()
    assert DailyFile(tmp_path).path(created).name == "cbm-etl-2026-03-01.jsonl"


def test_a_crash_report_has_the_traceback_without_the_secret(tmp_path: Path) -> None:
    try:
        raise RuntimeError(f"PWD={CANARY}")
    except RuntimeError as error:
        path = write_crash_report(tmp_path / "logs", error)
    assert "RuntimeError" in path.read_text()
    assert CANARY not in path.read_text()
