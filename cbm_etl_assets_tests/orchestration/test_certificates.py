"""The certificate as a Dagster check: scheduled on its own, never part of a load, repeating the last one beside a materialisation."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, cast

import dagster as dg
import pytest

from cbm_etl_assets.errors import TransientSourceError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.orchestration.reaper import OWNER_TAG
from cbm_etl_assets.pipeline import verify as verifying
from cbm_etl_assets.pipeline.certificate import Certificate, KeyDifference, Verdict
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.reliability.process import process_owner
from cbm_etl_assets.settings import Settings
from cbm_etl_assets_tests.orchestration.helpers import FakeControl, FakePlatform, ScriptedLoader, catalog, daily, spec

NOW = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)


@dataclass
class ScriptedVerify:
    """Stands for `pipeline.verify.verify`."""

    keys: dict[str, tuple[KeyDifference, ...]] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def __call__(self, _platform: Platform, table: TableSpec, run_id: str = "") -> Certificate:
        self.calls.append(table.name)
        if table.name in self.errors:
            raise self.errors[table.name]
        keys = self.keys.get(table.name, ())
        status = Verdict.DIFFERENT if keys else Verdict.EQUAL
        return Certificate(table.name, run_id, status, NOW, NOW, None, 1, 10, 10, different=len(keys), keys=keys)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> ScriptedVerify:
    made = ScriptedVerify()
    monkeypatch.setattr(verifying, "verify", made)
    return made


def defined(settings: Settings, rows: list[dict[str, object]] | None = None) -> dg.Definitions:
    tables = catalog(daily("client"), spec("lignecli"), daily("stock", start="2026-02-01"))
    return build_defs(tables, settings, resources={"platform": cast("Any", FakePlatform(settings, FakeControl(rows=rows or [])))})


def run(settings: Settings, instance: dg.DagsterInstance, job: str = "verify_all", **how: Any) -> dg.ExecuteInProcessResult:
    return defined(settings, how.pop("rows", None)).resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **how)


def test_the_job_verifies_every_table_and_a_difference_fails_its_check_only(
    settings: Settings, instance: dg.DagsterInstance, scripted: ScriptedVerify
) -> None:
    scripted.keys["client"] = (KeyDifference("different", ("C7",), ("iban",)),)
    result = run(settings, instance)
    assert result.success, "a difference is a failed check, not a failed run"
    found = {e.asset_key.path[-1]: e for e in result.get_asset_check_evaluations()}
    assert {name: e.passed for name, e in found.items()} == {"client": False, "lignecli": True, "stock": True}
    assert found["client"].metadata["keys"].value == "different C7 iban"
    assert found["client"].metadata["remedy"].value == "cbm-etl repair client"


def test_a_killed_verification_can_be_reaped(settings: Settings, instance: dg.DagsterInstance, scripted: ScriptedVerify) -> None:
    result = run(settings, instance)
    made = instance.get_run_by_id(result.run_id)
    assert made is not None
    assert made.tags[OWNER_TAG] == process_owner("run")


def test_loads_do_not_verify(settings: Settings, instance: dg.DagsterInstance, scripted: ScriptedVerify, loader: ScriptedLoader) -> None:
    assert run(settings, instance, "all_tables", partition_key=None, tags={"dagster/partition": "2026-11-21"}).success
    assert run(settings, instance, "group_default", tags={"dagster/partition": "2026-11-21"}).success
    assert (len(loader.calls), scripted.calls) == (6, [])


@pytest.mark.parametrize(("rows", "passed", "severity"), [
    ([], False, dg.AssetCheckSeverity.WARN),
    ([{"Status": "equal", "KeysPending": 0}], True, dg.AssetCheckSeverity.ERROR),
    ([{"Status": "different", "KeysMissing": 3}], False, dg.AssetCheckSeverity.ERROR),
])  # fmt: skip
def test_beside_a_materialisation_by_hand_the_last_certificate_stands(
    settings: Settings, instance: dg.DagsterInstance, scripted: ScriptedVerify, loader: ScriptedLoader, rows: list[dict[str, object]],
    passed: bool, severity: dg.AssetCheckSeverity,
) -> None:  # fmt: skip
    chosen = [dg.AssetKey([layer, "lignecli"]) for layer in ("raw", "stg", "ods")]
    result = run(settings, instance, "__ASSET_JOB", asset_selection=chosen, rows=rows)
    assert result.success
    found = [e for e in result.get_asset_check_evaluations() if e.check_name == "certificate"]
    assert [(e.passed, e.severity) for e in found] == [(passed, severity)]
    assert scripted.calls == []


def test_an_error_is_told_without_its_secret(settings: Settings, instance: dg.DagsterInstance, scripted: ScriptedVerify) -> None:
    scripted.errors["client"] = TransientSourceError("link lost, PWD=hunter2-canary;")
    result = run(settings, instance)
    assert not result.success
    assert "hunter2-canary" not in "".join(str(e) for e in result.all_events)


def test_the_schedule_is_weekly_and_runs(settings: Settings) -> None:
    found = {s.name: s for s in defined(settings).schedules or []}["verify_all_schedule"]
    assert isinstance(found, dg.ScheduleDefinition)
    assert (found.cron_schedule, found.execution_timezone, found.job_name) == ("0 5 * * 0", settings.source.timezone, "verify_all")
