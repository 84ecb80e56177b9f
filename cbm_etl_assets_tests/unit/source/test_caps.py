"""The ladder of text caps, and the cap remembered between runs."""

from __future__ import annotations

from pathlib import Path

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.source.caps import CapMemory
from cbm_etl_assets.source.readers import UNBOUND, ReadJob, caps


def job(columns: int, kind: str) -> ReadJob:
    spec = TableSpec.model_validate({"table": "t", "columns": [{"name": f"c{i}", "type": kind} for i in range(columns)]})
    return ReadJob(spec, "SELECT 1", (), "DSN=x;PWD=secret")


def test_a_narrow_table_starts_at_the_setting_and_stops_at_its_width() -> None:
    assert caps(job(5, "varchar(30)")) == [2048, UNBOUND]
    assert caps(job(5, "varchar(2000)")) == [2048, 8192, UNBOUND]


def test_a_table_of_wide_texts_starts_smaller_and_ends_before_buffers_hold_too_few_rows() -> None:
    assert caps(job(300, "varchar(31000)")) == [512, 2048, 8192, UNBOUND]


def test_a_table_without_text_has_one_pass() -> None:
    assert caps(job(9, "integer")) == [2048, UNBOUND]


def test_a_job_shows_no_password() -> None:
    assert "secret" not in repr(job(1, "date"))


def test_the_largest_cap_is_remembered(tmp_path: Path) -> None:
    memory = CapMemory(tmp_path / "caps")
    assert memory.get("t") is None
    memory.remember("t", 8192)
    memory.remember("t", 2048)
    assert CapMemory(tmp_path / "caps").get("t") == 8192
    memory.remember("t", UNBOUND)
    assert memory.get("t") == UNBOUND
    (tmp_path / "caps" / "t.cap").write_text("rubbish")
    assert memory.get("t") is None
