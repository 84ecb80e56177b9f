"""A stage's time-out reaches the warehouse: the statement under way is ended there, and the warehouse answers again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbm_etl_assets.errors import StageTimeoutError
from cbm_etl_assets.reliability.deadline import time_limit
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets.warehouse.dialects.sqlserver_connect import shortest
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database, warehouse_of

__all__ = ["control_postgres", "postgres_database"]
SLOW = {
    "duckdb": "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range + b.range = -1",
    "postgresql": "SELECT pg_sleep(600)::text",
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_statement_is_ended_when_the_stages_time_is_up(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    warehouse = registry.create(Settings(home=tmp_path, warehouse=warehouse_of(kind, request, tmp_path)))
    warehouse.prepare()
    try:
        with pytest.raises(StageTimeoutError, match=r"Stage 'validate' took longer than its 0\.3 s"), time_limit("validate", 0.3):
            warehouse.query(SLOW[kind])
        with time_limit("validate", 600):
            assert warehouse.query("SELECT 1").rows == [(1,)]
        assert warehouse.query("SELECT 2").rows == [(2,)]
    finally:
        warehouse.close()


@pytest.mark.parametrize(("setting", "stage", "seconds"), [(0, None, 0), (60, None, 60), (0, 1.2, 2), (60, 1.2, 2), (60, 600.0, 60)])
def test_sql_server_takes_whole_seconds_and_the_shorter_limit(setting: int, stage: float | None, seconds: int) -> None:
    assert shortest(setting, stage) == seconds
