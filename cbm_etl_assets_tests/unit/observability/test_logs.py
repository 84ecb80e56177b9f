"""Logs: one JSON line a record, redacted, one file a day; the crash report holds the traceback and no secret."""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.observability.context import bound, mark
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


def test_a_line_says_run_table_and_layer_of_its_load(tmp_path: Path) -> None:
    path = configure_logging(tmp_path)
    logger = logging.getLogger(f"{ROOT}.x")
    with bound(run_id="r1", table="client", layer="ods"):
        logger.info("one")
        mark(layer="raw")
        logger.info("two", extra={"rows": 12, "ratio": 0.5, "note": f"PWD={CANARY}"})
        with bound(table="stock"):
            logger.info("three")
    logger.info("four")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(e.get("run_id"), e.get("table"), e.get("layer")) for e in lines] == [
        ("r1", "client", "ods"), ("r1", "client", "raw"), ("r1", "stock", "raw"), (None, None, None),
    ]  # fmt: skip
    assert (lines[1]["rows"], lines[1]["ratio"]) == (12, 0.5)
    assert CANARY not in path.read_text()


def test_loads_in_threads_do_not_mix_their_fields(tmp_path: Path) -> None:
    path = configure_logging(tmp_path)
    ready = threading.Barrier(2)

    def load(table: str) -> None:
        with bound(table=table):
            ready.wait()
            logging.getLogger(f"{ROOT}.x").info(table)

    threads = [threading.Thread(target=load, args=(name,)) for name in ("client", "stock")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == 2
    assert all(e["message"] == e["table"] for e in lines)
