"""Settings: order of the sources, misspelt names, wrong values, .env rules, and no secret in any message."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cbm_etl_assets.errors import SettingsError
from cbm_etl_assets.settings import PACKAGE_DIR, TEST_NAMES, Environment, Settings, SourceSettings, known_names, load_settings

CANARY = "hunter2-canary"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in os.environ if n.upper().startswith("CBM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_absolute_and_live_under_home(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.home == tmp_path / ".cbm"
    assert (settings.warehouse_path, settings.lake_url) == (tmp_path / ".cbm" / "warehouse.duckdb", str(tmp_path / ".cbm" / "lake"))
    assert settings.env is Environment.DEV


def test_relative_folders_are_made_absolute_and_urls_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CBM_WAREHOUSE__PATH", "w/x.duckdb")
    monkeypatch.setenv("CBM_LAKE__URL", "lake")
    settings = load_settings(home=Path("h"))
    assert (settings.home, settings.warehouse_path, settings.lake_url) == (tmp_path / "h", tmp_path / "w/x.duckdb", str(tmp_path / "lake"))
    monkeypatch.setenv("CBM_LAKE__URL", "s3://bucket/lake")
    assert load_settings().lake_url == "s3://bucket/lake"


def test_init_beats_environment_beats_dotenv_beats_overlay_beats_base(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/base.yaml").write_text("source: {array_size: 1, batch_cells: 1, text_bytes: 1, retries: 1, source_schema: base}\n")
    (tmp_path / "config/dev.yaml").write_text("source: {array_size: 2, batch_cells: 2, text_bytes: 2, retries: 2}\n")
    (tmp_path / ".env").write_text("CBM_SOURCE__ARRAY_SIZE=3\nCBM_SOURCE__BATCH_CELLS=3\nCBM_SOURCE__TEXT_BYTES=3\nOTHER=x\n")
    monkeypatch.setenv("CBM_SOURCE__ARRAY_SIZE", "4")
    monkeypatch.setenv("CBM_SOURCE__BATCH_CELLS", "4")
    source = load_settings(source={"array_size": 5}).source
    assert (source.array_size, source.batch_cells, source.text_bytes, source.retries, source.source_schema) == (5, 4, 3, 2, "base")


def test_the_overlay_is_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/prod.yaml").write_text("load: {threads: 7}\n")
    (tmp_path / "conf/dev.yaml").write_text("load: {threads: 3}\n")
    monkeypatch.setenv("CBM_CONFIG_DIR", "conf")
    assert load_settings().load.threads == 3
    monkeypatch.setenv("CBM_ENV", "PROD")
    assert load_settings().load.threads == 7


@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("CBM_HOEM", "CBM_HOME"),
        ("CBM_SOURCE__CONECTION_STRING", "CBM_SOURCE__CONNECTION_STRING"),
        ("CBM_SOURCE_DIALECT", "CBM_SOURCE__DIALECT"),
        ("cbm_lake__urll", "CBM_LAKE__URL"),
    ],
)
def test_a_misspelt_name_names_the_nearest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: str, near: str) -> None:
    monkeypatch.setenv(wrong, CANARY)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert wrong in str(caught.value)
    assert f"'{near}'" in str(caught.value)
    assert CANARY not in str(caught.value)
    monkeypatch.delenv(wrong)
    (tmp_path / ".env").write_text(f"{wrong}={CANARY}\n")
    with pytest.raises(SettingsError, match=near):
        load_settings()


def test_a_name_near_nothing_lists_the_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CBM_ZZZZZZZZ", "1")
    with pytest.raises(SettingsError, match="Known: CBM_HOME, CBM_TABLES_DIR"):
        load_settings()


def test_names_of_the_tests_and_storage_options_are_no_misspellings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TEST_NAMES:
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("CBM_LAKE__STORAGE_OPTIONS__KEY", CANARY)
    assert load_settings().lake.storage_options["key"].get_secret_value() == CANARY


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("CBM_ENV", "LIVE", "DEV, UAT, PROD"),
        ("CBM_SOURCE__MAX_CONNECTIONS", "99", "32"),
        ("CBM_SOURCE__DIALECT", "db2", "'openedge' or 'ansi'"),
        ("CBM_SOURCE__TIMEZONE", "Mars/Olympus", "Europe/Paris"),
        ("CBM_LOAD__THREADS", "many", "integer"),
    ],
)
def test_a_wrong_value_names_variable_value_and_what_is_accepted(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, accepted: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert f"'{value}'" in str(caught.value)
    assert accepted in str(caught.value)


@pytest.mark.parametrize(
    "value", [f'{{"connection_string": {{"x": "{CANARY}"}}}}', f'{{"max_connections": 99, "pwd": "{CANARY}"}}', f"PWD={CANARY}"]
)
def test_a_wrong_section_never_shows_what_it_holds(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("CBM_SOURCE", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert CANARY not in f"{caught.value!r} {caught.value} {caught.value.__cause__}"
    assert "environment" in str(caught.value)


def test_dotenv_counts_in_dev_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CBM_LOAD__THREADS=9\n")
    (tmp_path / ".env").chmod(0o600)
    assert load_settings().load.threads == 9
    for environment in ("UAT", "PROD"):
        monkeypatch.setenv("CBM_ENV", environment)
        assert load_settings().load.threads == 2


def test_dotenv_may_not_leave_dev(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CBM_ENV=PROD\n")
    with pytest.raises(SettingsError, match="read in DEV only"):
        load_settings()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_readable_dotenv_is_refused_in_prod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int) -> None:
    (tmp_path / ".env").write_text(f"CBM_SOURCE__CONNECTION_STRING=PWD={CANARY}\n")
    (tmp_path / ".env").chmod(mode)
    monkeypatch.setenv("CBM_ENV", "PROD")
    with pytest.raises(SettingsError, match="chmod 600") as caught:
        load_settings()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sorce: {dialect: ansi}", "Did you mean 'source'"),
        ("source: {dialekt: ansi}", "Did you mean 'source.dialect'"),
        ("env: PROD", "unknown setting 'env'"),
        ("- a\n- b", "mapping"),
        ("source: {a: [", "line 1"),
        ("source: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("#" * 300_000, "at most"),
    ],
)
def test_a_wrong_overlay_names_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/base.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"base\.yaml") as caught:
        load_settings()
    assert message in str(caught.value)


def test_a_config_folder_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CBM_CONFIG_DIR", "nowhere")
    with pytest.raises(SettingsError, match="nowhere"):
        load_settings()


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CBM_HOME", "")
    monkeypatch.setenv("CBM_ENV", "")
    assert load_settings().home == tmp_path / ".cbm"


def test_printing_settings_shows_no_secret() -> None:
    settings = Settings(source=SourceSettings(connection_string=f"DSN=x;PWD={CANARY}"))  # type: ignore[arg-type]
    assert CANARY not in f"{settings!r} {settings} {settings.model_dump_json()}"
    assert settings.secrets() == (f"DSN=x;PWD={CANARY}",)


def test_known_names_follow_the_model() -> None:
    assert {"CBM_HOME", "CBM_SOURCE", "CBM_SOURCE__CONNECTION_STRING", "CBM_LAKE__STORAGE_OPTIONS"} <= set(known_names())


def test_own_tables_replace_the_packaged_ones(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings(home=tmp_path).tables_dir == PACKAGE_DIR / "tables"
    (tmp_path / "tables").mkdir()
    assert load_settings(home=tmp_path).tables_dir == tmp_path / "tables"
    monkeypatch.setenv("CBM_TABLES_DIR", "mine")
    assert load_settings(home=tmp_path).tables_dir == tmp_path / "mine"
