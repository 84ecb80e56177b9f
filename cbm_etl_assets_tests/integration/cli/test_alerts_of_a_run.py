"""A real `cbm-etl run` that fails, and the card it leaves behind; a webhook that hangs costs the run seconds and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cbm_etl_assets_tests.alert_fixture import CANARY, Answer, webhook

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]


def run(home: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")} | {"PYTHONPATH": str(ROOT)}
    env |= {
        "CBM_HOME": str(home), "CBM_ALERTS__TEAMS_URL": url, "CBM_ALERTS__LANGUAGE": "fr", "CBM_ALERTS__SUMMARY_HOUR": "-1",
        "CBM_SOURCE__CONNECTION_STRING": f"DRIVER=/nowhere/lib.so;PWD={CANARY}", "CBM_SOURCE__RETRIES": "0",
        "CBM_SLO__ERROR_RATE_ALERT_PERCENT": "100", "CBM_SLO__MIN_BAD_EVENTS": "1000",
    }  # fmt: skip
    command = [sys.executable, "-m", "cbm_etl_assets.cli.app", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=home, timeout=120, check=False)


def leaks(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_a_failed_run_is_told_and_keeps_its_exit_code(tmp_path: Path) -> None:
    with webhook() as server:
        ended = run(tmp_path, server.url, "run", "client", "--mode", "full")
        assert ended.returncode in (1, 2), ended.stderr
        [body] = server.bodies
        assert body["attachments"][0]["content"]["fallbackText"].startswith("Échec du chargement · client")
        again = run(tmp_path, server.url, "run", "client", "--mode", "full")
        assert again.returncode == ended.returncode
        assert len(server.bodies) == 1, "it is still the same failure"
    assert CANARY not in ended.stdout + ended.stderr
    assert leaks(tmp_path) == []


@pytest.mark.slow
def test_a_webhook_that_hangs_costs_ten_seconds_at_most(tmp_path: Path) -> None:
    with webhook(Answer(hang_seconds=100)) as server:
        begun = time.monotonic()
        run(tmp_path, "", "run", "client")  # tells nobody
        alone = time.monotonic() - begun
        begun = time.monotonic()
        ended = run(tmp_path, server.url, "run", "client")
        assert time.monotonic() - begun < alone + 10 + 5, "5 s of slack for a busy machine"
    assert ended.returncode in (1, 2)
    assert "Alerts wait in the outbox" in ended.stderr
    assert CANARY not in ended.stdout + ended.stderr
    assert leaks(tmp_path) == []
