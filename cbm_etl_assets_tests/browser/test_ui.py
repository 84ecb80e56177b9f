"""Dagster's own UI, webserver and daemon on our definitions, the twin as source: what a user clicks, asked and looked at."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.metadata.partitions import partition_keys
from cbm_etl_assets.orchestration.home import prepare_home
from cbm_etl_assets_tests.dagster_server import DagsterServer, browse, chromium, dagster_dev
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.slow]
LAYERS = [["raw", "article"], ["stg", "article"], ["ods", "article"]]


@pytest.fixture
def server(line: Line, tmp_path: Path) -> Iterator[DagsterServer]:
    tables = tmp_path / "tables"
    tables.mkdir()
    line.spec = article_spec(group="articles")
    spec = json.loads(line.spec.model_dump_json(exclude_defaults=True))
    (tables / "article.yaml").write_text(json.dumps(spec), encoding="utf-8")  # JSON is YAML
    environment = {"CBM_HOME": str(line.home), "CBM_TABLES_DIR": str(tables), "CBM_SOURCE__CONNECTION_STRING": line.twin.odbc}
    with dagster_dev(prepare_home(line.settings()), environment) as started:
        yield started


def test_materialise_backfill_and_look(server: DagsterServer, line: Line, tmp_path: Path) -> None:
    # One layer alone: refused, with the remedy, since one load writes all three.
    refused = server.launch(LAYERS[:1], "2026-01-03")
    assert refused["__typename"] == "InvalidSubsetError"
    assert "does not support subsetting" in refused["message"]

    # One partition of one table.
    run_id = server.launch(LAYERS, "2026-01-03")["run"]["runId"]
    assert server.wait_run(run_id) == "SUCCESS", server.failures(run_id)
    assert {row[4].date().isoformat() for row in line.ods_rows()} == {"2026-01-03"}

    # Thirty days: one run, and ODS equals the source.
    assert line.spec.partition is not None
    first = line.spec.partition.start
    month = list(partition_keys(line.spec.partition, first, first.replace(day=30)))
    ended = server.wait_backfill(server.backfill(LAYERS, month))
    assert ended["status"] == "COMPLETED_SUCCESS"
    assert [run["status"] for run in ended["runs"]] == ["SUCCESS"]
    line.assert_equal()

    # No secret in anything Dagster stored or printed.
    stored = [path for path in line.home.rglob("*") if path.is_file() and "dagster" in path.parts]
    assert stored
    assert not [path for path in stored if line.twin.secret.encode() in path.read_bytes()]

    if chromium() is None:
        pytest.skip("no Chromium on PATH to look at the pages")
    pages = {
        "lineage": f"{server.url}/locations/cbm_etl_assets.definitions/asset-groups/articles/lineage",
        "partitions": f"{server.url}/assets/ods/article?view=partitions",
    }
    seen = {name: browse(url, tmp_path / "profile", "--window-size=1800,700", "--dump-dom") for name, url in pages.items()}
    filled = re.findall(r"(\d+)% filled", seen["lineage"])
    assert len(filled) == 3, "the three layers, each with its filled partitions"
    assert set(filled) != {"0"}
    assert "Parquet" in seen["lineage"]
    assert "Materialized (30)" in re.sub(r"<[^>]*>", "", seen["partitions"])
