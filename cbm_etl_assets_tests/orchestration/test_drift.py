"""Schema drift as a Dagster check: reported by every load, by one that drift has stopped too, and executable alone."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import dagster as dg
import pytest

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.errors import ControlError, SourceSchemaError
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.orchestration.drift import verdict
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.orchestration.helpers import FakeControl, FakePlatform, ScriptedLoader, catalog, definitions, spec

FOUND = dt.datetime(2026, 11, 21, 9, 30)
SAFE = DriftRow("added", "safe", "cod_tva", "", "integer", "", "loaded", id=1, run_id="r", found_utc=FOUND)
REVIEW = DriftRow("removed", "review", "qte", "decimal(12,3)", "", "", "kept", id=2, run_id="r", found_utc=FOUND)
STOPPED = DriftRow("retyped", "breaking", "dat_mod", "date", "logical", "", "stopped", id=3, run_id="r", found_utc=FOUND)
KEY = dg.AssetCheckKey(dg.AssetKey(["ods", "client"]), "schema_drift")


def defined(settings: Settings, drift: Mapping[str, list[DriftRow]]) -> dg.Definitions:
    platform = FakePlatform(settings, FakeControl(drift))
    return build_defs(catalog(spec("client"), spec("stock")), settings, resources={"platform": cast("Any", platform)})


def latest(instance: dg.DagsterInstance) -> dg.AssetCheckEvaluation:
    records = instance.event_log_storage.get_latest_asset_check_execution_by_key([KEY])
    event = records[KEY].event
    assert event is not None
    assert event.dagster_event is not None
    return cast("dg.AssetCheckEvaluation", event.dagster_event.event_specific_data)


@pytest.mark.parametrize(("rows", "passed", "severity", "said"), [
    ([], True, "WARN", "The source's columns are those of the spec."),
    ([SAFE], True, "WARN", "added cod_tva: loaded"),
    ([SAFE, REVIEW], False, "WARN", "removed qte: kept"),
    ([SAFE, REVIEW, STOPPED], False, "ERROR", "retyped dat_mod: stopped"),
    ([replace(STOPPED, resolved_utc=FOUND)], True, "WARN", "The source's columns are those of the spec."),
])  # fmt: skip
def test_what_waits_for_a_person_fails_the_check(rows: list[DriftRow], passed: bool, severity: str, said: str) -> None:
    found = verdict(spec("client"), rows)
    assert (found.passed, found.severity.value, found.description) == (passed, severity, said)


def test_the_changes_are_listed_with_class_and_consequence() -> None:
    metadata = verdict(spec("client"), [SAFE, REVIEW, STOPPED]).metadata
    assert {name: metadata[name].value for name in ("changes", "safe", "review", "breaking")} == {
        "changes": 3, "safe": 1, "review": 1, "breaking": 1,
    }  # fmt: skip
    table = metadata["schema_drift"]
    assert isinstance(table, dg.TableMetadataValue)
    assert dict(table.records[1].data) == {
        "change": "removed", "class": "review", "column": "qte", "before": "decimal(12,3)", "after": "", "consequence": "kept",
        "since (UTC)": "2026-11-21 09:30", "note": "",
    }  # fmt: skip
    assert "cbm-etl tables sync client" in str(metadata["remedy"].value)


def test_every_ods_asset_has_the_check(settings: Settings) -> None:
    keys = definitions(catalog(spec("client"), spec("stock")), settings).resolve_asset_graph().asset_check_keys
    assert {k.asset_key.to_user_string() for k in keys if k.name == "schema_drift"} == {"ods/client", "ods/stock"}


def test_a_load_reports_it_without_a_step_of_its_own(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    result = defined(settings, {"client": [REVIEW]}).resolve_job_def("all_tables").execute_in_process(instance=instance)
    assert result.success
    assert not latest(instance).passed
    assert latest(instance).severity is dg.AssetCheckSeverity.WARN
    assert {e.step_key for e in result.all_events if e.is_step_success} == {"load_client", "load_stock"}


def test_a_load_that_drift_has_stopped_reports_it_too(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    loader.errors["client"] = lambda: SourceSchemaError("column 'dat_mod' is logical")
    job = defined(settings, {"client": [STOPPED]}).resolve_job_def("all_tables")
    assert not job.execute_in_process(instance=instance, raise_on_error=False).success
    assert (latest(instance).passed, latest(instance).severity) == (False, dg.AssetCheckSeverity.ERROR)
    loader.errors.clear()
    assert defined(settings, {}).resolve_job_def("all_tables").execute_in_process(instance=instance).success
    assert latest(instance).passed


def test_it_runs_alone(settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader) -> None:
    chosen = defined(settings, {"client": [REVIEW]}).resolve_job_def("__ASSET_JOB")
    result = chosen.get_subset(asset_selection=set(), asset_check_selection={KEY}).execute_in_process(instance=instance)
    [found] = result.get_asset_check_evaluations()
    assert (found.check_name, found.passed, loader.calls) == ("schema_drift", False, [])


def test_a_control_database_that_does_not_answer_hides_no_failure(
    settings: Settings, instance: dg.DagsterInstance, loader: ScriptedLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_control: FakeControl, _table: str) -> list[DriftRow]:
        raise ControlError("etl.db is damaged, PWD=hunter2-canary;")

    monkeypatch.setattr(FakeControl, "drift_rows", broken)
    result = defined(settings, {}).resolve_job_def("all_tables").execute_in_process(instance=instance)
    assert result.success
    assert "hunter2-canary" not in "".join(str(e) for e in result.all_events)
