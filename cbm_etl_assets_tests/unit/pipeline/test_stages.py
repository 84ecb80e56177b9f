from __future__ import annotations

import pytest

from cbm_etl_assets.pipeline.stages import Stage, retry_policy, timeout_seconds
from cbm_etl_assets.sections import StageSettings, StagesSettings
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets_tests.specs import make_spec


@pytest.mark.parametrize(("stage", "figures"), [
    (Stage.EXTRACT, (3, 30, 3600)), (Stage.TRANSFORM, (2, 60, 7200)), (Stage.LOAD, (3, 45, 1800)), (Stage.VALIDATE, (2, 30, 900)),
])  # fmt: skip
def test_the_defaults_are_the_old_pipelines(stage: Stage, figures: tuple[int, float, float]) -> None:
    policy = retry_policy(Settings(), make_spec(), stage)
    assert (policy.retries, policy.base_seconds, timeout_seconds(Settings(), make_spec(), stage)) == figures


def test_the_table_beats_the_stage_beats_the_room() -> None:
    room = Settings(source=SourceSettings(retries=7, retry_delay_seconds=8))
    assert (retry_policy(room, make_spec(), Stage.EXTRACT).retries, retry_policy(room, make_spec(), Stage.EXTRACT).base_seconds) == (7, 8)
    general = room.model_copy(update={"stages": StagesSettings(extract=StageSettings(retries=5, timeout_seconds=50))})
    assert (retry_policy(general, make_spec(), Stage.EXTRACT).retries, timeout_seconds(general, make_spec(), Stage.EXTRACT)) == (5, 50)
    own = make_spec(stages={"extract": {"retries": 1}, "validate": {"timeout_seconds": 0}})
    policy = retry_policy(general, own, Stage.EXTRACT)
    assert (policy.retries, policy.base_seconds, timeout_seconds(general, own, Stage.EXTRACT)) == (1, 8, 50)
    assert timeout_seconds(general, own, Stage.VALIDATE) == 0


def test_one_figure_of_a_stage_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CBM_STAGES__VALIDATE__RETRIES", "9")
    policy = retry_policy(Settings(), make_spec(), Stage.VALIDATE)
    assert (policy.retries, policy.base_seconds, timeout_seconds(Settings(), make_spec(), Stage.VALIDATE)) == (9, 30, 900)


def test_a_spec_with_stages_can_be_read_again() -> None:
    spec = make_spec(stages={"validate": {"retries": 1}})
    assert make_spec(stages=spec.stages.model_dump()).stages == spec.stages
