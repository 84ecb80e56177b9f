"""Every command: has help, says its JSON keys, stands in the README, and starts without anything heavy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cbm_etl_assets.cli.app import app
from cbm_etl_assets_tests.unit.cli.fakes import Stage

ROOT = Path(__file__).parents[3]
EXPECTED = {
    "slo", "health", "maintenance", "metrics serve", "metrics write", "metrics export",
    "demo", "run", "backfill", "sweep", "plan", "preflight", "status", "profile", "sql", "ui", "tables add", "tables list", "tables check",
    "tables sync",
    "tables import-df", "tables import-config", "tables schema", "twin start", "twin stop", "twin status", "twin load", "twin mutate",
    "twin fault", "twin statements", "lake list", "lake clean",
    "quarantine list", "quarantine show", "quarantine replay", "quarantine drop", "breaker status", "breaker reset",
    "verify", "repair", "why", "asof", "validate", "quality suggest", "warehouse copy", "tables views",
    "dashboard", "report", "db status", "db upgrade", "db script",
    "alert test", "alert list", "alert ack", "alert silence", "alert resend",
}  # fmt: skip
# These print no result: they open a server, give an order, or print what a DBA runs.
WITHOUT_JSON = {"ui", "metrics serve", "dashboard", "twin fault", "db script"}


def walk(command: Any, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, child in command.commands.items():
        if hasattr(child, "commands"):
            yield from walk(child, (*prefix, name))
        else:
            yield " ".join((*prefix, name)), child


COMMANDS = dict(walk(get_command(app)))


def test_the_commands_are_the_promised_ones() -> None:
    assert set(COMMANDS) == EXPECTED


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_has_help_in_one_line_and_on_every_option(name: str, tmp_path: Path) -> None:
    command = COMMANDS[name]
    assert command.help
    first = command.help.splitlines()[0]
    assert len(first) <= 80, f"the list of commands shows this line: {first}"
    assert first.endswith(".")
    undocumented = [p.name for p in command.params if p.param_type_name == "option" and not p.help]
    assert not undocumented
    played = Stage(tmp_path).play(*name.split(), "--help")
    assert (played.code, "Usage: cbm-etl" in played.out) == (0, True)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - WITHOUT_JSON))
def test_what_prints_results_speaks_json_and_documents_its_keys(name: str) -> None:
    assert "--json" in {option for p in COMMANDS[name].params for option in p.opts}
    assert "JSON:" in COMMANDS[name].help


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_stands_in_the_readme(name: str) -> None:
    assert f"cbm-etl {name}" in (ROOT / "README.md").read_text(encoding="utf-8")
