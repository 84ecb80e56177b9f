"""A real Dagster instance in memory, and the scripted loader in place of the pipeline."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from cbm_etl_assets.pipeline import load
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.orchestration.helpers import ScriptedLoader, settings_in


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> ScriptedLoader:
    scripted = ScriptedLoader()
    monkeypatch.setattr(load, "load_table", scripted)
    return scripted


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path / "home")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path), settings={"telemetry": {"enabled": False}}) as opened:
        yield opened
