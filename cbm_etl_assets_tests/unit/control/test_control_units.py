from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.control.projection import sla_hours, spell_duration
from cbm_etl_assets.control.sql import control_dir, migrations, spellings, split
from cbm_etl_assets.control.store import ControlStore, open_database
from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.settings import ControlSettings, Settings
from cbm_etl_assets_tests.specs import make_spec

ROOT = Path(__file__).parents[3]


def settings(url: str) -> Settings:
    return Settings(control=ControlSettings(url=SecretStr(url)))


@pytest.mark.parametrize(("minutes", "text"), [(0, "0d"), (1440, "1d"), (720, "12h"), (36 * 60, "36h"), (30, "30m"), (90, "90m")])
def test_lookback_is_spelt_as_the_old_pipeline_did(minutes: int, text: str) -> None:
    assert spell_duration(dt.timedelta(minutes=minutes)) == text


def test_sla_is_the_setting_unless_the_spec_says_otherwise() -> None:
    assert sla_hours(make_spec(), 24) == 24
    assert sla_hours(make_spec(freshness={"fail": "6h", "warn": "3h"}), 24) == 6


def test_scripts_are_split_at_line_ends_without_their_comments() -> None:
    assert split("-- a; b\nSELECT 1;\n\nSELECT ';x' -- no\n;\n") == ["SELECT 1", "SELECT ';x' -- no"]


def test_both_databases_have_the_same_migrations_and_columns() -> None:
    assert migrations("sqlite") == migrations("postgresql")
    assert spellings("sqlite") == spellings("postgresql")
    assert spellings("sqlite")["tablename"] == "TableName"


@pytest.mark.parametrize(("url", "message"), [
    ("not a url with hunter2", "is not a database URL"),
    ("nosuchdb://u:hunter2@h/d", "cannot live in 'nosuchdb'. Known: postgresql, sqlite"),
    ("mysql+pymysql://u:hunter2@h/d", "cannot live in 'mysql'. Known: postgresql, sqlite"),
    ("sqlite://", "must name a folder"),
])  # fmt: skip
def test_a_url_that_cannot_work_is_a_configuration_error(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ControlStore(settings(url)).upgrade()
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_sqlite_url_names_another_folder(tmp_path: Path) -> None:
    store = ControlStore(settings(f"sqlite:///{tmp_path}/elsewhere"))
    store.upgrade()
    store.close()
    assert {p.name for p in (tmp_path / "elsewhere").iterdir()} >= {"etl.db", "config.db"}
    with pytest.raises(ConfigurationError, match="must name a folder"):
        open_database(settings(f"sqlite:///{tmp_path}/elsewhere/etl.db"))


def test_the_default_database_costs_no_import_of_sqlalchemy(tmp_path: Path) -> None:
    """It takes 0.5 s, more than half of a small incremental load."""
    script = (
        "import sys; from pathlib import Path; from cbm_etl_assets.control.store import ControlStore; "
        "from cbm_etl_assets.settings import Settings; s = ControlStore(Settings(home=Path(sys.argv[1]))); s.upgrade(); s.close(); "
        "sys.exit(sorted(m for m in ('sqlalchemy', 'polars', 'pyarrow') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_identifier_of_the_control_schema_is_quoted() -> None:
    """Quoted, `etl.vw_LastRuns` would be another text on PostgreSQL than on SQLite."""
    assert [p.name for p in control_dir().rglob("*.sql") if '"' in p.read_text(encoding="utf-8")] == []
