"""kill -9 at random instants of a load, the source changing between: the next run heals, nothing is left behind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cbm_etl_assets.metadata.writer import spec_to_yaml
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets_tests.line_fixture import Line

pytestmark = [pytest.mark.integration, pytest.mark.slow]
KILLS = 20


def run_cli(line: Line, tables: Path, mode: str) -> subprocess.Popen[bytes]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CBM_")}
    environment |= {
        "CBM_HOME": str(line.home), "CBM_TABLES_DIR": str(tables), "CBM_SOURCE__CONNECTION_STRING": line.twin.odbc,
        "CBM_LOAD__TABLE_WAIT_SECONDS": "30", "CBM_LOAD__LOCK_TTL_SECONDS": "6",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-m", "cbm_etl_assets.cli.app", "run", "article", "--mode", mode],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def change_source(line: Line, turn: int) -> None:
    line.execute(
        "UPDATE pub.article SET \"Libelle\" = %s, dat_mod = (now() at time zone 'Europe/Paris')::timestamp(0) WHERE right(cod_art, 1) = %s",
        f"tour {turn}", str(turn % 10),
    )  # fmt: skip
    line.execute("INSERT INTO pub.article VALUES (%s, NULL, 'créé', 1, (now() at time zone 'Europe/Paris')::timestamp(0))", f"K{turn:05d}")


def test_killed_twenty_times_and_equal_after_one_more_run(line: Line) -> None:
    draw = random.Random(7)
    tables = line.home / "tables"
    tables.mkdir()
    (tables / "article.yaml").write_text(spec_to_yaml(line.spec), encoding="utf-8")
    line.execute("INSERT INTO pub.article SELECT 'M' || g, NULL, repeat('x', 25), 1, timestamp '2026-02-01' + g * interval '1 second' "
                 "FROM generate_series(1, 20000) g")  # fmt: skip
    whole = time.monotonic()
    first = run_cli(line, tables, "full")
    assert first.communicate(timeout=120)
    assert first.returncode == 0
    whole = time.monotonic() - whole
    killed = 0
    for turn in range(KILLS):
        change_source(line, turn)
        process = run_cli(line, tables, draw.choice(["full", "incremental"]))
        # The first instants are interpreter start; what matters happens in the last two thirds.
        time.sleep(draw.uniform(whole * 0.3, whole * 1.05))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
    assert killed >= KILLS // 2, "too few runs were killed in flight: the test measures nothing"
    last = run_cli(line, tables, "incremental")
    output = last.communicate(timeout=120)[0].decode()
    assert last.returncode == 0, output
    line.assert_equal()
    assert line.leftovers() == []
    log = line.platform.control.query("SELECT lower(Status) AS outcome, count(*) AS n FROM etl.ETL_Log GROUP BY lower(Status)")
    assert "started" not in {row["outcome"] for row in log}
    assert line.load(Mode.FULL).outcome.updated == 0
