"""`cbm-etl plan` on the line: it says what the load then does, loads nothing, and refuses to apply a plan that is out of date."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from cbm_etl_assets.cli.app import main
from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.pipeline.forecast import forecast
from cbm_etl_assets.pipeline.platform import open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets_tests.integration.test_drift import added, alter, column, dropped
from cbm_etl_assets_tests.line_fixture import Line

pytestmark = pytest.mark.integration


def play(line: Line, *arguments: str) -> int:
    runtime = Runtime(
        load_settings=lambda home: line.settings(), load_catalog=lambda settings: {line.spec.name: line.spec}, open_platform=open_platform
    )
    return main(arguments, runtime)


def planned(line: Line, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert play(line, "plan", *arguments, "--json") == 0
    [one] = json.loads(capsys.readouterr().out)["tables"]
    return dict(one)


def test_the_plan_says_what_the_load_then_does(line: Line) -> None:
    first = forecast(line.platform, line.spec, LoadOptions())
    assert (first.mode, first.rows, first.ddl) == ("full", None, ("create table ods.article of 5 columns",))
    line.load()
    line.load(Mode.FULL)
    for mode in (Mode.AUTO, Mode.FULL, Mode.SWEEP):
        one = forecast(line.platform, line.spec, LoadOptions(mode))
        result = line.load(mode)
        assert (one.mode, one.statement) == (result.mode.value, result.query)
        assert (one.ddl, one.changes, one.stop) == ((), (), "")
    again = forecast(line.platform, line.spec, LoadOptions(Mode.FULL))
    assert (again.rows, again.deletes) == (200, 0)
    assert again.seconds is not None
    assert again.seconds > 0


def test_the_plan_shows_drift_and_writes_none(line: Line) -> None:
    line.load()
    table = alter(line, added(column("cod_tva", "integer", "integer")))
    one = forecast(line.platform, line.spec, LoadOptions())
    assert (one.mode, one.ddl, one.drift_class) == ("full", ("add column cod_tva integer",), "safe")
    assert line.platform.control.drift_rows("article") == []
    alter(line, dropped("dat_mod"), start=table)
    stopped = forecast(line.platform, line.spec, LoadOptions())
    assert "column 'dat_mod' is gone" in stopped.stop
    assert stopped.drift_class == "breaking"


def test_apply_loads_as_planned_and_refuses_once_the_source_changed(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    line.load()
    one = planned(line, capsys, "article")
    assert one["mode"] == "incremental"
    assert play(line, "plan", "--apply") == 0
    line.put("A00001", "changé", dt.datetime(2026, 1, 9, 9))
    planned(line, capsys)
    alter(line, added(column("cod_tva", "integer", "integer")))
    before = line.ods_rows()
    capsys.readouterr()
    assert play(line, "plan", "--apply") == 2
    assert "of article changed since the plan was made. Nothing was loaded." in capsys.readouterr().err
    assert line.ods_rows() == before
    planned(line, capsys)
    assert play(line, "plan", "--apply", "article") == 0
    line.assert_equal()


def test_a_plan_file_that_is_none_is_refused_in_words(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(line, "plan", "--apply") == 2
    assert "There is no plan in" in capsys.readouterr().err
    wrong = line.home / "wrong.json"
    wrong.write_text("[]")
    assert play(line, "plan", "--apply", "--file", str(wrong)) == 2
    assert "holds no plan" in capsys.readouterr().err
