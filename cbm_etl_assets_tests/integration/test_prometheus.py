"""The metrics as Prometheus takes them: text, rules, a scrape by the real server, and a dashboard that names what exists."""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import ConfigurationError, TransientControlError
from cbm_etl_assets.observability import metrics
from cbm_etl_assets.observability.metrics import Endpoint, Family
from cbm_etl_assets.pipeline.metrics import collect, reader
from cbm_etl_assets.settings import PACKAGE_DIR, Settings
from cbm_etl_assets_tests.specs import make_spec

pytestmark = pytest.mark.integration
RULES = PACKAGE_DIR / "observability" / "prometheus" / "cbm_rules.yml"
DASHBOARD = PACKAGE_DIR / "observability" / "grafana" / "cbm_etl.json"
CATALOG = {name: make_spec(table=name) for name in ("client", "stock")}
NOW = dt.datetime.now(dt.UTC)


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    return subprocess.run(["promtool", *arguments], input=text, capture_output=True, text=True, check=False)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def control(settings: Settings) -> Iterator[ControlStore]:
    store = ControlStore(settings)
    log(store, "client", "success", 3, rows={"read": 10, "inserted": 4})
    log(store, "client", "failed", 1)
    store.start_log(LogStart("running", "client", "full", "", NOW))
    yield store
    store.close()


def log(control: ControlStore, table: str, status: str, hours: float, **more: Any) -> None:
    at = NOW - dt.timedelta(hours=hours)
    row = control.start_log(LogStart(f"{status}{hours}", table, "full", "", at))
    control.end_log(row, LogEnd(status, at + dt.timedelta(seconds=30), **more))


def families(control: ControlStore, settings: Settings) -> list[Family]:
    return collect(control, CATALOG, settings, NOW)


def values(content: str) -> dict[str, float]:
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in content.splitlines() if line and not line.startswith("#")}


def test_the_text_holds_failures_with_zero_and_what_the_journal_says(control: ControlStore, settings: Settings) -> None:
    found = values(metrics.text(families(control, settings)).decode())
    assert found['cbm_loads_24h{status="failed",table="stock"}'] == 0
    assert found['cbm_loads_24h{status="failed",table="client"}'] == 1
    assert found['cbm_load_last_success{table="client"}'] == 0
    assert found['cbm_load_running{table="client"}'] == 1
    assert found['cbm_data_age_seconds{table="client"}'] == pytest.approx(3 * 3600)
    assert found['cbm_data_age_seconds{table="stock"}'] == float("inf")
    assert found['cbm_slo_state{slo="freshness",table="stock"}'] == 2
    assert found['cbm_breaker_open{resource="source"}'] == 0
    assert found['cbm_quarantine_open_rows{table="client"}'] == 0


def test_promtool_accepts_the_text(control: ControlStore, settings: Settings) -> None:
    checked = promtool("check", "metrics", text=metrics.text(families(control, settings)).decode())
    assert (checked.returncode, checked.stderr) == (0, "")


def test_promtool_accepts_the_rules() -> None:
    checked = promtool("check", "rules", str(RULES))
    assert checked.returncode == 0, checked.stderr
    assert "16 rules found" in checked.stdout


def test_the_rules_fire_on_what_they_are_for(tmp_path: Path) -> None:
    """promtool plays the series: a stale table and a burning budget page, a broken table alone does not."""
    series = [
        {"series": "cbm_control_database_up", "values": "1x60"},
        {"series": 'cbm_slo_state{slo="freshness",table="client"}', "values": "2x60"},
        {"series": 'cbm_slo_state{slo="freshness",table="stock"}', "values": "0x60"},
        {"series": 'cbm_slo_burn_alert{slo="error_rate",table="",severity="page"}', "values": "1x60"},
        {"series": 'cbm_loads_24h{table="client",status="failed"}', "values": "6x60"},
        {"series": 'cbm_loads_24h{table="client",status="success"}', "values": "94x60"},
    ]
    stale = {
        "exp_labels": {"severity": "page", "slo": "freshness", "table": "client"},
        "exp_annotations": {  # promtool compares them too
            "summary": "Table client is stale",
            "description": "No good full or incremental load for longer than its freshness alert. "
            "`cbm-etl status`, then `cbm-etl run client`.",
        },
    }
    pages = [
        {"eval_time": "20m", "alertname": "CbmTableStale", "exp_alerts": [stale]},
        {"eval_time": "20m", "alertname": "CbmMetricsAbsent", "exp_alerts": []},
        {"eval_time": "20m", "alertname": "CbmErrorBudgetBurns", "exp_alerts": []},
    ]
    sample = {"labels": "cbm:load_error_ratio_24h", "value": 0.06}
    ratio = {"expr": "cbm:load_error_ratio_24h", "eval_time": "20m", "exp_samples": [sample]}
    plan = {
        "rule_files": [str(RULES)], "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": pages, "promql_expr_test": [ratio]}],
    }  # fmt: skip
    (tmp_path / "plan.yml").write_text(yaml.safe_dump(plan))
    played = promtool("test", "rules", str(tmp_path / "plan.yml"))
    assert played.returncode == 0, played.stdout + played.stderr


def test_the_textfile_is_replaced_in_one_step(control: ControlStore, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "metrics.prom"
    assert metrics.write(path, families(control, settings)) == path.stat().st_size
    metrics.write(path, families(control, settings))
    assert [p.name for p in path.parent.iterdir()] == ["metrics.prom"]


@pytest.fixture
def endpoint(control: ControlStore, settings: Settings) -> Iterator[Endpoint]:
    served = metrics.serve(reader(control, CATALOG, settings, lambda: dt.datetime.now(dt.UTC)), "127.0.0.1", 0)
    yield served
    served.close()


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())


def test_a_scrape_sees_what_the_log_says_now_and_writes_nothing(endpoint: Endpoint, control: ControlStore) -> None:
    url = f"http://127.0.0.1:{endpoint.port}/metrics"
    key = 'cbm_loads_24h{status="failed",table="stock"}'
    assert values(fetch(url))[key] == 0
    log(control, "stock", "failed", 0.1)
    assert values(fetch(url))[key] == 1
    assert control.query("SELECT * FROM etl.SLO_Status") == []


def test_a_dead_control_database_is_a_metric_not_an_error() -> None:
    def broken() -> list[Family]:
        raise TransientControlError("Control database: PWD=hunter2 refused")

    served = metrics.serve(broken, "127.0.0.1", 0)
    try:
        assert values(fetch(f"http://127.0.0.1:{served.port}/metrics")) == {"cbm_control_database_up": 0}
        with pytest.raises(ConfigurationError, match="Cannot listen"):
            metrics.serve(broken, "127.0.0.1", served.port)
    finally:
        served.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _eventually(ask: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := ask():
                return found
        except OSError:
            pass  # not listening yet
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.2)


def test_prometheus_of_the_distribution_scrapes_the_endpoint(endpoint: Endpoint, tmp_path: Path) -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    target = {"job_name": "cbm", "scrape_interval": "1s", "static_configs": [{"targets": [f"127.0.0.1:{endpoint.port}"]}]}
    quick = tmp_path / "rules.yml"
    quick.write_text(RULES.read_text(encoding="utf-8").replace("interval: 60s", "interval: 1s"))
    config = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(quick)], "scrape_configs": [target]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = _free_port()
    options = {
        "config.file": tmp_path / "prometheus.yml",
        "storage.tsdb.path": tmp_path / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    api = f"http://127.0.0.1:{port}/api/v1"

    def ask(query: str) -> list[dict[str, Any]]:
        found = json.loads(fetch(f"{api}/query?query={query}"))["data"]["result"]
        return list(found)

    try:
        up = _eventually(lambda: ask("cbm_control_database_up==1"))
        assert up[0]["metric"]["job"] == "cbm"
        assert _eventually(lambda: ask("cbm:loads_failed_24h:sum"))[0]["value"][1] == "1"
        assert json.loads(fetch(f"{api}/targets"))["data"]["activeTargets"][0]["lastError"] == ""
    finally:
        server.terminate()
        server.wait(timeout=30)


def test_rules_and_dashboard_name_only_metrics_that_exist(control: ControlStore, settings: Settings) -> None:
    known = {"cbm_control_database_up", *metrics.described(families(control, settings))}
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    rules = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    queries += [rule["expr"] for group in rules for rule in group["rules"]]
    used = {name for query in queries for name in re.findall(r"\bcbm_[a-z0-9_]+", query)}
    assert used <= known, f"unknown: {used - known}"
    assert len(dashboard["panels"]) == len({panel["id"] for panel in dashboard["panels"]})


def test_promtool_parses_every_query_of_the_dashboard(tmp_path: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [t["expr"].replace("$table", ".*") for panel in dashboard["panels"] for t in panel["targets"]]
    rules = [{"record": f"cbm:panel:q{i}", "expr": query} for i, query in enumerate(queries)]
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    checked = promtool("check", "rules", str(tmp_path / "rules.yml"))
    assert checked.returncode == 0, checked.stderr
