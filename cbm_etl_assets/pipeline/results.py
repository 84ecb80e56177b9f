"""What a load is asked for and what it answers. Plain data, shared by the CLI and by Dagster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from cbm_etl_assets.warehouse.port import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

    from cbm_etl_assets.quality.report import QualityReport


OnQuality = Callable[["QualityReport"], None]


class Mode(StrEnum):
    AUTO = "auto"  # partition when partitions are given; else full on the first load or without a cursor; else incremental
    FULL = "full"
    INCREMENTAL = "incremental"
    PARTITION = "partition"
    REPAIR = "repair"  # named keys: upsert what the source has, tombstone what it has no more
    SWEEP = "sweep"  # keys only: finds deletes in tables too large for a daily full load


class Status(StrEnum):
    SUCCESS = "success"
    FAILED = "failed"
    BUSY = "busy"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class LoadOptions:
    """`partitions` are keys of metadata.partitions, adjacent. `run_id` is a UUID string; empty = one is made.

    Mode repair: `keys` (the key's target columns and `_key_hash`); `force` compares with the values ODS holds, not with the
    row hash stored beside them, and takes rows out that ODS filed under a key not theirs (`misfiled`).
    `skip_validation`: the table's quality rules are not evaluated, which the log shows. `on_quality` gets their report at the end
    of the load, also when it fails.
    """

    mode: Mode = Mode.AUTO
    partitions: tuple[str, ...] = ()
    run_id: str = ""
    allow_mass_delete: bool = False
    replay: bool = False
    keys: pa.Table | None = field(default=None, repr=False, compare=False)
    force: bool = False
    misfiled: pa.Table | None = field(default=None, repr=False, compare=False)
    skip_validation: bool = False
    on_quality: OnQuality | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class StageSeconds:
    extract: float = 0.0
    transform: float = 0.0
    load: float = 0.0
    merge: float = 0.0

    @property
    def total(self) -> float:
        return self.extract + self.transform + self.load + self.merge


@dataclass(frozen=True)
class LoadResult:
    """One table's load. `t0` and `high_water` are naive stamps in the source's zone; `preview` has masked columns masked."""

    table: str
    status: Status
    mode: Mode
    run_id: str
    seq: int = 0
    partitions: tuple[str, ...] = ()
    outcome: Outcome = field(default_factory=Outcome)
    seconds: StageSeconds = field(default_factory=StageSeconds)
    bytes: int = 0
    files: int = 0
    attempts: int = 1
    t0: dt.datetime | None = None
    high_water: dt.datetime | None = None
    watermark: dt.datetime | None = None
    raw_path: str = ""
    query: str = ""
    cleaned: dict[str, int] = field(default_factory=dict)
    preview_columns: tuple[str, ...] = ()
    preview_rows: tuple[tuple[object, ...], ...] = ()
    error_class: str = ""
    error_message: str = ""
    exit_code: int = 0
    quality: QualityReport | None = None

    @property
    def rows_per_second(self) -> float:
        return self.outcome.read / self.seconds.total if self.seconds.total > 0 else 0.0


@dataclass(frozen=True)
class LoadEvent:
    """Progress of one table for a bar or a log: stage is extract|stage|merge|done; rows and bytes so far in that stage."""

    table: str
    stage: str
    rows: int = 0
    bytes: int = 0
    expected_rows: int | None = None


OnEvent = Callable[[LoadEvent], None]
