"""`stages:` of a table's YAML: retries, pause and time-out of each stage of its loads. Data only; the meaning is `pipeline.stages`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class StageSpec(BaseModel):
    """What is not said is CBM_STAGES__*'s."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retries: int | None = Field(default=None, ge=0, le=100, description="further tries after a transient error")
    delay_seconds: float | None = Field(default=None, ge=0, description="longest first pause, doubled with every try, with jitter")
    timeout_seconds: float | None = Field(default=None, ge=0, description="of one try; 0 = none")


class StagesSpec(BaseModel):
    """extract: asking the source; transform: raw files to staging; load: the merge; validate: the rules on staging."""

    # By name too: a dump of this model must be readable again.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    extract: StageSpec = StageSpec()
    transform: StageSpec = StageSpec()
    load: StageSpec = StageSpec()
    # Under another name inside: `validate` is a method of every pydantic model.
    validating: StageSpec = Field(default=StageSpec(), alias="validate")

    def of(self, stage: str) -> StageSpec:
        """`stage` is extract|transform|load|validate."""
        chosen: StageSpec = getattr(self, "validating" if stage == "validate" else stage)
        return chosen
