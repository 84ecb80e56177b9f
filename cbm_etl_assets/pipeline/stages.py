"""What a stage of a load may cost: its retries, the pause between them, its time-out.

Owns the order of who says so: the table's `stages:`, then CBM_STAGES__*, then the room's own setting (source, warehouse).
The defaults are those of the old pipeline.
"""

from __future__ import annotations

from enum import StrEnum

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.retry import RetryPolicy
from cbm_etl_assets.settings import Settings


class Stage(StrEnum):
    EXTRACT = "extract"  # asking the source
    TRANSFORM = "transform"  # raw files to staging
    LOAD = "load"  # the merge
    VALIDATE = "validate"  # rules on staging


# Retries, longest first pause and time-out in seconds, as the old pipeline had them.
_OLD = {
    Stage.EXTRACT: (3, 30.0, 3600.0),
    Stage.TRANSFORM: (2, 60.0, 7200.0),
    Stage.LOAD: (3, 45.0, 1800.0),
    Stage.VALIDATE: (2, 30.0, 900.0),
}


def retry_policy(settings: Settings, spec: TableSpec, stage: Stage) -> RetryPolicy:
    """`deadline_seconds` stays free: the time-out is of one attempt."""
    own, general = spec.stages.of(stage), settings.stages.of(stage)
    retries, delay = _room(settings, stage)
    return RetryPolicy(
        retries=next(n for n in (own.retries, general.retries, retries) if n is not None),
        base_seconds=next(s for s in (own.delay_seconds, general.delay_seconds, delay) if s is not None),
    )


def timeout_seconds(settings: Settings, spec: TableSpec, stage: Stage) -> float:
    """Of one attempt; 0 = none."""
    said = (spec.stages.of(stage).timeout_seconds, settings.stages.of(stage).timeout_seconds, _OLD[stage][2])
    return next(s for s in said if s is not None)


def _room(settings: Settings, stage: Stage) -> tuple[int, float]:
    if stage is Stage.EXTRACT:
        return settings.source.retries, settings.source.retry_delay_seconds
    if stage is Stage.LOAD:
        return settings.warehouse.retries, settings.warehouse.retry_delay_seconds
    return _OLD[stage][:2]
