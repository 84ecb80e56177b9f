"""The dashboards in a real browser: charts are drawn, planted text stays text, nothing is fetched from elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.dashboards.journal import Journal
from cbm_etl_assets.dashboards.report import ReportOptions, write_report
from cbm_etl_assets.dashboards.server import Site, create_app
from cbm_etl_assets_tests.dagster_server import browse, chromium
from cbm_etl_assets_tests.journal_fixture import fill, now, settings_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
CHARTS = {"operations": ("latency",), "trends": ("rows", "loads", "volume", "errors", "durations"), "quality": ("verdicts",)}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    if chromium() is None:
        pytest.skip("no Chromium on PATH to look at the pages")
    settings = settings_of(tmp_path / "home")
    fill(settings, runs=800, hostile=HOSTILE)
    return Journal(ControlStore(settings), now)


@pytest.fixture
def url(journal: Journal) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(Site({"PROD": journal})), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def drawn(dom: str, chart: str) -> bool:
    return "<svg" in dom.partition(f'id="{chart}"')[2].partition("</section>")[0]


def test_every_chart_is_drawn_and_hostile_text_stays_text(url: str, tmp_path: Path) -> None:
    for page, charts in CHARTS.items():
        dom = browse(f"{url}/{page}?days=30", tmp_path / "profile", "--dump-dom")
        assert [chart for chart in charts if not drawn(dom, chart)] == [], page
        assert "<title>owned" not in dom
        assert "<img" not in dom
        assert "&lt;img src=x" in dom


def test_the_report_draws_its_charts_from_a_file(journal: Journal, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_report(journal, target, ReportOptions(days=30))
    dom = browse(target.as_uri(), tmp_path / "profile", "--dump-dom")
    assert [chart for charts in CHARTS.values() for chart in charts if not drawn(dom, chart)] == []
    assert "<title>owned" not in dom
