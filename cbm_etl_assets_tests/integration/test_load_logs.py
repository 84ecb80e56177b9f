"""What a real load leaves in the JSON log: one line for its end, with run, table, layer and numbers; its failure too."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.errors import SourceSchemaError
from cbm_etl_assets.observability.logs import ROOT, configure_logging
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets_tests.line_fixture import Line, line

__all__ = ["line"]
pytestmark = pytest.mark.integration


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    logger = logging.getLogger(ROOT)
    before, level = list(logger.handlers), logger.level
    yield configure_logging(tmp_path / "logs")
    logger.handlers[:] = before
    logger.setLevel(level)


def test_a_load_and_its_failure_are_found_by_table_and_run(line: Line, log: Path) -> None:
    result = line.load(Mode.FULL)
    line.execute("DROP TABLE pub.article")
    with pytest.raises(SourceSchemaError):
        line.load(Mode.FULL)
    lines = [json.loads(text) for text in log.read_text().splitlines()]
    good = next(e for e in lines if e["message"] == "loaded")
    assert (good["run_id"], good["table"], good["layer"], good["rows"]) == (result.run_id, "article", "ods", 200)
    bad = next(e for e in lines if e["message"].startswith("load failed"))
    assert (bad["level"], bad["table"], bad["error_class"]) == ("error", "article", "SourceSchemaError")
    assert bad["run_id"] != result.run_id
