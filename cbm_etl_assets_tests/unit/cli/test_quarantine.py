"""quarantine list, show, replay, drop: what they print, what they ask of the core."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.control.port import QuarantineEntry
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.pipeline import batch
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode, Status
from cbm_etl_assets.warehouse.port import Outcome
from cbm_etl_assets_tests.unit.cli.fakes import Stage

SEEN = dt.datetime(2026, 11, 20, 8, 30)


def entry(number: int, state: str = "open", table: str = "client", **changes: Any) -> QuarantineEntry:
    fields: dict[str, Any] = {
        "key_hash": "ab" * 32, "key_json": json.dumps({"cod_cli": str(number)}), "can_retry": True, "column": "nom",
        "error_class": "SqlWidthError", "message": "column 'nom' holds a value wider than its SQL width -> dbtool",
        "payload": json.dumps({"cod_cli": str(number), "nom": "é\x1b[31m"}),
    }  # fmt: skip
    return QuarantineEntry(number, table, BadRow(**(fields | changes)), "r1", 7, SEEN, SEEN, state)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path)
    made.control.quarantine = [entry(1), entry(2, "healed"), entry(3), entry(4, table="fournis")]
    return made


def test_open_rows_are_listed_for_people_and_for_machines(stage: Stage) -> None:
    played = stage.play("quarantine", "list", "client")
    assert played.code == 0
    assert all(word in played.out for word in ("cod_cli=1", "nom", "SqlWidthError", "2026-11-20 08:30:00"))
    assert "cod_cli=2" not in played.out
    listed = json.loads(stage.play("quarantine", "list", "--json").out)
    assert [(e["table"], e["id"]) for e in listed["entries"]] == [("client", 1), ("client", 3), ("fournis", 4)]
    assert listed["entries"][0]["key"] == {"cod_cli": "1"}
    everything = json.loads(stage.play("quarantine", "list", "client", "--all", "--json").out)
    assert [e["state"] for e in everything["entries"]] == ["open", "healed", "open"]


def test_an_empty_quarantine_says_so(stage: Stage) -> None:
    stage.control.quarantine = []
    assert "No row is in quarantine." in stage.play("quarantine", "list").out


def test_one_row_is_shown_whole_and_drives_no_terminal(stage: Stage) -> None:
    played = stage.play("quarantine", "show", "client", "1")
    assert (played.code, "\x1b" in played.out) == (0, False)
    assert "dbtool" in played.out
    assert "\\x1b[31m" in played.out
    assert json.loads(stage.play("quarantine", "show", "client", "1", "--json").out)["entry"]["payload"]["nom"] == "é\x1b[31m"


def test_an_unknown_entry_is_refused_naming_the_known_ones(stage: Stage) -> None:
    played = stage.play("quarantine", "show", "client", "99")
    assert played.code == 2
    assert "Known: 1, 2, 3." in played.err


def test_drop_takes_ids_or_all_the_open_ones(stage: Stage) -> None:
    assert stage.play("quarantine", "drop", "client", "1").code == 0
    assert stage.play("quarantine", "drop", "client", "--all").code == 0
    assert stage.control.dropped == [("client", [1]), ("client", [1, 3])]
    assert stage.play("quarantine", "drop", "client").code == 2
    assert stage.play("quarantine", "drop", "client", "4").code == 2, "an entry of another table"


def test_replay_loads_the_quarantined_keys_and_nothing_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[str], LoadOptions]] = []

    def load_tables(platform: Any, specs: Sequence[Any], options: LoadOptions, **more: Any) -> list[LoadResult]:
        asked.append(([s.name for s in specs], options))
        outcome = Outcome(read=2, inserted=1, quarantined=1)
        return [LoadResult(s.name, Status.SUCCESS, Mode.PARTITION, "r1", outcome=outcome) for s in specs]

    monkeypatch.setattr(batch, "load_tables", load_tables)
    played = stage.play("quarantine", "replay", "client")
    assert played.code == 0
    assert asked == [(["client"], LoadOptions(replay=True))]
    assert "client: 1 rows were left out; why: cbm-etl quarantine list client" in played.err
