"""`breaker status|reset`, and what `status` says of an open breaker."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from cbm_etl_assets.reliability.breaker import Breaker, BreakerPolicy, failed
from cbm_etl_assets_tests.unit.cli.fakes import Stage

AT = dt.datetime(2026, 3, 1, 11, 0)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    error = ("TransientSourceError", "nobody answers")
    made.control.known["source"] = failed(Breaker("source"), error, AT, BreakerPolicy(failures=1, cool_down_seconds=60))
    return made


def test_status_shows_both_also_the_one_that_never_failed(stage: Stage) -> None:
    found = json.loads(stage.play("breaker", "status", "--json").out)["breakers"]
    assert [(b["resource"], b["state"], b["failures"]) for b in found] == [("source", "open", 1), ("warehouse", "closed", 0)]
    assert (found[0]["opened_at"], found[0]["next_probe_at"]) == ("2026-03-01T11:00:00", "2026-03-01T11:01:00")
    assert found[0]["error"] == {"class": "TransientSourceError", "message": "nobody answers", "at": "2026-03-01T11:00:00"}
    shown = stage.play("breaker", "status")
    assert (shown.code, "nobody answers" in shown.out) == (0, True)


def test_the_table_of_runs_says_so_too(stage: Stage) -> None:
    assert "source: circuit breaker open since 2026-03-01 11:00:00 UTC" in stage.play("status").out
    assert json.loads(stage.play("status", "--json").out)["breakers"][0]["state"] == "open"
    stage.control.known.clear()
    assert "circuit breaker" not in stage.play("status").out


def test_reset_closes_and_says_what(stage: Stage) -> None:
    assert json.loads(stage.play("breaker", "reset", "warehouse", "--json").out)["closed"] == []
    assert json.loads(stage.play("breaker", "reset", "--json").out)["closed"] == ["source"]
    assert stage.control.known["source"].is_clean
    assert "Nothing to close" in stage.play("breaker", "reset").out


def test_an_unknown_one_is_refused_with_the_known_names(stage: Stage) -> None:
    played = stage.play("breaker", "reset", "sorce")
    assert played.code == 2
    assert "Unknown circuit breaker 'sorce'. Known: source, warehouse." in played.err
