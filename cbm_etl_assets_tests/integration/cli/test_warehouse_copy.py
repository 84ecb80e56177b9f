"""`warehouse copy` as a person types it: a pilot on DuckDB goes on in PostgreSQL, with the exit codes of every other command."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.settings import WarehouseSettings
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.cli.test_verify_commands import LATER, Played, play
from cbm_etl_assets_tests.line_fixture import Line, article_spec
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database

__all__ = ["control_postgres", "postgres_database"]
pytestmark = pytest.mark.integration
VARIABLE = "NEW_WAREHOUSE"


@pytest.fixture
def pilot(clean_twin: TwinHandle, tmp_path: Path, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setenv(VARIABLE, postgres_database)
    made = Line(clean_twin, tmp_path, article_spec(history=True))
    made.create(200)
    with closing(made):
        made.load(Mode.FULL)
        yield made


def copy(line: Line, *arguments: str) -> Played:
    return play(line, "warehouse", "copy", "--from", "duckdb", "--to", "postgresql", "--to-connection-string-env", VARIABLE, *arguments)


def test_a_pilot_goes_into_production_without_a_reload(pilot: Line, postgres_database: str) -> None:
    moved = copy(pilot, "--all")
    assert moved.code == 0, moved.err
    assert "copied" in moved.out
    assert "Next: CBM_WAREHOUSE__KIND=postgresql" in moved.out
    again = copy(pilot, "article", "--json")
    table = again.document["tables"][0]
    assert (again.code, table["status"], table["rows"]) == (0, "present", {"current": 200, "history": 200, "recheck": 0})
    assert table["columns_compared"] == 14  # 5 of the source, 9 of the platform
    production = dataclasses.replace(
        pilot, warehouse=WarehouseSettings(kind="postgresql", connection_string=SecretStr(postgres_database))
    )  # fmt: skip
    with closing(production):
        pilot.put("NEW", "since the move", LATER)
        ran = play(production, "run", "article", "--json").document["tables"][0]
        assert (ran["mode"], ran["rows"]["inserted"], ran["rows"]["updated"]) == ("incremental", 1, 0)
        assert ran["rows"]["read"] < 10
        assert play(production, "verify", "--all").code == 0
        production.assert_equal()
        assert copy(pilot, "article").code == 1  # the new one is ahead now
        refused = copy(pilot, "article", "--json").document["tables"][0]
        assert "is ahead of duckdb" in refused["error"]["message"]
        assert copy(pilot, "article", "--replace").code == 0


def test_every_end_has_its_exit_code(pilot: Line, postgres_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pilot.platform.control.lock("article", "a load", wait_seconds=0, ttl_seconds=60):
        pilot.platform.settings.__dict__["load"] = pilot.platform.settings.load.model_copy(update={"table_wait_seconds": 0.1})
        monkeypatch.setattr(Line, "settings", lambda line: line.platform.settings)
        assert copy(pilot, "article").code == 3
    same = play(pilot, "warehouse", "copy", "--from", "duckdb", "--to", "duckdb", "--all")
    assert (same.code, "are both 'duckdb'" in same.err) == (2, True)
    monkeypatch.delenv(VARIABLE)
    unset = copy(pilot, "--all")
    assert (unset.code, f"'{VARIABLE}' is not set" in unset.err) == (2, True)
    monkeypatch.setenv(VARIABLE, postgres_database.replace("/w", "/nowhere_w"))
    wrong = copy(pilot, "--all")
    assert wrong.code == 1
    assert postgres_database.split("@")[0].rsplit(":", 1)[-1] not in wrong.out + wrong.err or "@" not in postgres_database
    unknown = play(pilot, "warehouse", "copy", "--from", "duckdb", "--to", "oracle", "--all")
    assert (unknown.code, "Known: duckdb, postgresql, sqlserver" in unknown.err) == (2, True)


def test_without_a_warehouse_to_copy_from_none_is_made(clean_twin: TwinHandle, tmp_path: Path) -> None:
    with closing(Line(clean_twin, tmp_path)) as line:
        gone = play(line, "warehouse", "copy", "--from", "duckdb", "--to", "postgresql", "--all")
        assert (gone.code, "There is no DuckDB warehouse" in gone.err) == (2, True)
        assert not line.platform.settings.warehouse_path.exists()
