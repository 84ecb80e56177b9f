"""A stage that takes too long ends in words, keeps what was there, and the next load heals."""

from __future__ import annotations

from typing import Any

import pytest

from cbm_etl_assets.errors import StageTimeoutError
from cbm_etl_assets.metadata.spec import Mask
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.results import LoadEvent, LoadOptions, Mode
from cbm_etl_assets.warehouse.dialects.duckdb_apply import DuckDbApply
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]


def limited(stage: str, seconds: float, **more: Any) -> Any:
    return article_spec(stages={stage: {"timeout_seconds": seconds, "retries": 5}}, **more)


@pytest.mark.parametrize("split", [None, {"column": "cod_art", "parts": 2}])
def test_an_extraction_that_takes_too_long_is_ended(line: Line, split: dict[str, Any] | None) -> None:
    line.create(2000)
    line.load(Mode.FULL)
    line.execute("UPDATE pub.article SET qte = -9")
    spec = limited("extract", 0.001, split=split)
    with pytest.raises(StageTimeoutError, match=r"Stage 'extract' took longer than its 0\.001 s"):
        load_table(line.platform, spec, LoadOptions(Mode.FULL))
    log = line.platform.control.query("SELECT Status, ErrorClass, Attempts FROM etl.ETL_Log ORDER BY LogId DESC")[0]
    assert tuple(log.values()) == ("failed", "StageTimeoutError", 1), "it would take as long again"
    assert line.leftovers() == []
    assert line.load(Mode.FULL).outcome.updated == 2000
    line.assert_equal()


def test_a_merge_that_takes_too_long_is_interrupted_and_rolled_back(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.create(500)
    line.load(Mode.FULL)
    before = line.ods_rows()
    line.execute("UPDATE pub.article SET qte = -9")
    real = DuckDbApply.run

    def slow(self: DuckDbApply, state: Any) -> Any:
        outcome = real(self, state)
        self.connection.execute("SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = -1")
        return outcome

    with monkeypatch.context() as patch:
        patch.setattr(DuckDbApply, "run", slow)
        with pytest.raises(StageTimeoutError, match="Stage 'load' took longer than its 1 s"):
            load_table(line.platform, limited("load", 1), LoadOptions(Mode.FULL))
    assert line.ods_rows() == before
    assert line.leftovers() == []
    assert line.load(Mode.FULL).outcome.updated == 500
    line.assert_equal()


def test_staging_that_takes_too_long_is_ended(line: Line) -> None:
    line.create(50)
    spec = masked(limited("transform", 0.001))
    seen: list[str] = []

    def note(event: LoadEvent) -> None:
        seen.append(event.stage)

    with pytest.raises(StageTimeoutError, match="Stage 'transform'"):
        load_table(line.platform, spec, LoadOptions(Mode.FULL), note)
    assert "merge" not in seen
    assert line.leftovers() == []


def masked(spec: Any) -> Any:
    """Staging computes a masked column, where a rename alone would be a view of the raw files."""
    columns = tuple(c.model_copy(update={"mask": Mask.REDACT}) if c.name == "Libelle" else c for c in spec.columns)
    return spec.model_copy(update={"columns": columns})
