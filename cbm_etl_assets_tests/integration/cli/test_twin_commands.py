"""twin: start, fill, change, ask and stop a real one through the command line; no password on any stream."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.reliability.process import pid_alive
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.twin import server
from cbm_etl_assets_tests.unit.cli.fakes import Played, Stage

pytestmark = pytest.mark.integration
Play = Callable[..., Played]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("cli_twin")
    server.start(folder, owned=True)
    try:
        yield folder
    finally:
        server.destroy(folder)


@pytest.fixture
def play(home: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    for name in [n for n in os.environ if n.startswith("CBM_")]:
        monkeypatch.delenv(name)
    stage = Stage(home)

    def played(*arguments: str) -> Played:
        runtime = stage.runtime()
        runtime.load_settings = lambda _: Settings(home=home)
        return stage.play(*arguments, runtime=runtime)

    return played


def document(played: Played) -> dict[str, Any]:
    assert played.code == 0, played.err
    found: dict[str, Any] = json.loads(played.out)
    return found


def test_load_change_and_ask(play: Play, home: Path) -> None:
    loaded = document(play("twin", "load", "--erp", "demo", "--table", "client", "--table", "stock", "--json"))["tables"]
    assert set(loaded) == {"client", "stock"}
    changed = document(play("twin", "mutate", "--table", "client", "--percent", "1", "--inserts", "1", "--json"))["tables"]["client"]
    assert changed["updated"] == changed["inserted"] == round(loaded["client"] / 100)
    shown = document(play("twin", "status", "--json"))
    assert (shown["running"], shown["tables"]["client"]) == (True, loaded["client"] + changed["inserted"])
    handle = server.status(home)
    assert handle is not None
    assert handle.secret not in json.dumps(shown)


def test_dirty_rows_are_rolled_back(play: Play, home: Path) -> None:
    document(play("twin", "load", "--erp", "demo", "--table", "fournis", "--json"))
    handle = server.status(home)
    assert handle is not None
    with handle.pg() as conn:
        before = conn.execute("SELECT md5(string_agg(f::text, '|' ORDER BY cod_fou)) FROM pub.fournis f").fetchone()
        arguments = ("--table", "fournis", "--percent", "0", "--inserts", "0", "--dirty", "3", "--dirty-seconds", "0")
        assert document(play("twin", "mutate", *arguments, "--json"))["tables"]["fournis"]["dirty"] == 3
        assert conn.execute("SELECT md5(string_agg(f::text, '|' ORDER BY cod_fou)) FROM pub.fournis f").fetchone() == before


def test_faults_are_ordered_and_cleared(play: Play, home: Path) -> None:
    assert play("twin", "fault", "cut", "--table", "client", "--after-rows", "10").code == 0
    handle = server.status(home)
    assert handle is not None
    assert [f["kind"] for f in handle.ask("status")["faults"]] == ["cut"]
    assert play("twin", "fault", "--clear").code == 0
    assert handle.ask("status")["faults"] == []
    refused = play("twin", "fault")
    assert (refused.code, "Known: cut, fin" in refused.err) == (2, True)


def test_the_running_twin_is_the_source_when_none_is_set(play: Play, home: Path) -> None:
    stage = Stage(home)
    runtime = stage.runtime()
    runtime.load_settings = lambda _: Settings(home=home)
    handle = server.status(home)
    assert handle is not None
    assert runtime.settings.source.connection_string is not None
    assert runtime.settings.source.connection_string.get_secret_value() == handle.odbc
    runtime = stage.runtime()
    assert runtime.settings.source.connection_string is not None
    assert runtime.settings.source.connection_string.get_secret_value() != handle.odbc, "a declared source wins"


def test_a_load_says_what_it_needs(play: Play, tmp_path: Path) -> None:
    for arguments in ((), (str(tmp_path), "--erp", "demo"), (str(tmp_path), "--table", "client")):
        assert play("twin", "load", *arguments).code == 2


def test_start_twice_is_busy_and_stop_leaves_no_process(tmp_path: Path, play: Play) -> None:
    assert play("twin", "start").code == 3
    other = Stage(tmp_path)
    started = document(other.play("twin", "start", "--json"))
    try:
        assert pid_alive(started["pid"])
        assert document(other.play("twin", "stop", "--json")) == {"stopped": True}
        assert not pid_alive(started["pid"])
        assert other.play("twin", "status").code == 1
        refused = other.play("twin", "statements")
        assert (refused.code, "cbm-etl twin start" in refused.err) == (2, True)
    finally:
        server.destroy(tmp_path)
