from __future__ import annotations

import datetime as dt
from pathlib import Path

from cbm_etl_assets.pipeline.results import LoadResult, Mode, StageSeconds, Status
from cbm_etl_assets.pipeline.run_html import write_run
from cbm_etl_assets.warehouse.port import Outcome

START = dt.datetime(2026, 11, 21, 9, 0)
GOOD = LoadResult(
    "client", Status.SUCCESS, Mode.INCREMENTAL, "0123456789", seconds=StageSeconds(1.0, 0.5, 0.25, 0.25), attempts=2,
    outcome=Outcome(read=1200, inserted=10, updated=20, unchanged=1165, superseded=5),
)  # fmt: skip
BAD = LoadResult(
    "<b>produit", Status.FAILED, Mode.FULL, "0123456789", error_class="TransientSourceError", error_message="<script>x</script>"
)


def test_the_page_says_what_each_table_did(tmp_path: Path) -> None:
    page = write_run(tmp_path / "reports", [GOOD, BAD], START, START + dt.timedelta(seconds=5), "quarantine replay")
    assert page.name == "quarantine-replay-20261121-090000-01234567.html"
    text = page.read_text(encoding="utf-8")
    assert "1\u202f200" in text
    assert "5 superseded" in text
    assert 'class="extract" style="width:50.0%"' in text
    assert "2 attempts" in text
    assert '<span class="tag failed">failed</span>' in text.partition("</h1>")[0]
    assert "&lt;script&gt;x" in text
    assert "<script" not in text
    assert "<b>produit" not in text
    assert [p.name for p in page.parent.iterdir()] == [page.name]


def test_a_good_run_is_called_so(tmp_path: Path) -> None:
    text = write_run(tmp_path, [GOOD], START, START, "run").read_text(encoding="utf-8")
    assert '<span class="tag success">success</span>' in text.partition("</h1>")[0]
