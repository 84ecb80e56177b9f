"""Quality rules in Dagster's own UI: launched as the UI launches, asked over GraphQL, looked at in a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbm_etl_assets.orchestration.home import prepare_home
from cbm_etl_assets_tests.dagster_server import DagsterServer, browse, chromium, dagster_dev
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]
pytestmark = [pytest.mark.browser, pytest.mark.integration, pytest.mark.slow]
LAYERS = [["raw", "article"], ["stg", "article"], ["ods", "article"]]
RULES = [
    "source_reachable", {"not_null": {"column": "Libelle"}}, {"range": {"column": "qte", "min": 0, "severity": "error"}},
    {"row_count": {"min": 1}},
]  # fmt: skip
CHECKS = """query C($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError { ... on AssetChecks {
  checks { name description blocking canExecuteIndividually executionForLatestMaterialization { status evaluation { severity success } } }
} } } } }"""


@pytest.fixture
def server(line: Line, tmp_path: Path) -> Iterator[DagsterServer]:
    tables = tmp_path / "tables"
    tables.mkdir()
    line.spec = article_spec(group="articles", quality=RULES)
    line.execute('UPDATE pub.article SET "Libelle" = NULL WHERE cod_art = %s', "A00005")
    line.execute("UPDATE pub.article SET qte = -1 WHERE cod_art = %s", "A00006")
    spec = json.loads(line.spec.model_dump_json(exclude_defaults=True))
    (tables / "article.yaml").write_text(json.dumps(spec), encoding="utf-8")  # JSON is YAML
    environment = {"CBM_HOME": str(line.home), "CBM_TABLES_DIR": str(tables), "CBM_SOURCE__CONNECTION_STRING": line.twin.odbc}
    with dagster_dev(prepare_home(line.settings()), environment) as started:
        yield started


def asked(server: DagsterServer, asset: list[str]) -> dict[str, dict[str, object]]:
    found = server.ask(CHECKS, key={"path": asset})["assetNodeOrError"]["assetChecksOrError"]["checks"]
    return {check["name"]: check for check in found}


def test_rules_are_checks_a_user_sees_with_their_rows(server: DagsterServer, line: Line, tmp_path: Path) -> None:
    # What the UI adds to a materialisation: the checks that say they need it.
    wanted = [(asset, name) for asset in LAYERS for name, check in asked(server, asset).items()
              if check["canExecuteIndividually"] == "REQUIRES_MATERIALIZATION"]  # fmt: skip
    assert sorted(name for _, name in wanted) == ["not_null_Libelle", "range_qte", "row_count", "source_reachable"]
    run_id = server.launch(LAYERS, "2026-01-01", wanted)["run"]["runId"]
    assert server.wait_run(run_id) == "SUCCESS", server.failures(run_id)
    ended = server.wait_backfill(server.backfill(LAYERS, ["2026-01-01", "2026-01-02"]))
    assert ended["status"] == "COMPLETED_SUCCESS"
    stg = {name: check["executionForLatestMaterialization"] for name, check in asked(server, ["stg", "article"]).items()}
    assert stg == {
        "not_null_Libelle": {"status": "FAILED", "evaluation": {"severity": "WARN", "success": False}},
        "range_qte": {"status": "FAILED", "evaluation": {"severity": "ERROR", "success": False}},
    }
    if chromium() is None:
        pytest.skip("no Chromium on PATH to look at the pages")
    picture = tmp_path / "checks.png"
    page = f"{server.url}/assets/stg/article?view=checks&checkDetail=range_qte"
    seen = browse(page, tmp_path / "profile", "--window-size=1500,1000", f"--screenshot={picture}", "--dump-dom")
    text = re.sub(r"<[^>]*>", " ", seen)
    assert "range: {column: qte, min: 0, severity: error}" in text
    assert "rows_failed" in text
    assert "A00006" in text
