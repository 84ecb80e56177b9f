"""Specs, a scripted loader at the seam of `pipeline.load`, and definitions over them. Dagster itself is real."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import dagster as dg

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.build import build_defs
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadEvent, LoadOptions, LoadResult, Mode, OnEvent, StageSeconds, Status
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse.port import Outcome

COLUMNS = [
    {"name": "cod-cli", "type": "integer", "label": "Code client"},
    {"name": "iban", "type": "varchar(34)", "mask": "partial"},
    {"name": "dat_mod", "type": "date", "label": "Date de modification"},
]


def spec(name: str, **fields: Any) -> TableSpec:
    base: dict[str, Any] = {"table": name, "primary_key": ["cod-cli"], "columns": COLUMNS}
    return TableSpec.model_validate({**base, **fields})


def daily(name: str, start: str = "2026-01-01", grain: str = "day", **fields: Any) -> TableSpec:
    return spec(name, cursor={"columns": ["dat_mod"], "precision": "date"}, partition={"grain": grain, "start": start}, **fields)


def catalog(*specs: TableSpec) -> dict[str, TableSpec]:
    return {s.name: s for s in specs}


@dataclass(frozen=True)
class FakeControl:
    """What the checks read: `drift` by table."""

    drift: Mapping[str, list[DriftRow]] = field(default_factory=dict)
    rows: list[dict[str, object]] = field(default_factory=list)

    def drift_rows(self, table: str) -> list[DriftRow]:
        return self.drift.get(table, [])

    def query(self, _sql: str, _parameters: dict[str, object]) -> list[dict[str, object]]:
        return self.rows


@dataclass(frozen=True)
class FakePlatform:
    """Only what the orchestration touches; the loader that would use the rest is scripted."""

    settings: Settings
    control: FakeControl = field(default_factory=FakeControl)

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class ScriptedLoader:
    """Stands for `pipeline.load.load_table`: records the calls, raises what a table is told to raise."""

    t0: dt.datetime = dt.datetime(2026, 11, 21, 9, 30)
    errors: dict[str, Callable[[], BaseException]] = field(default_factory=dict)
    calls: list[tuple[str, LoadOptions]] = field(default_factory=list)
    loaded: set[str] = field(default_factory=set)

    def __call__(self, _platform: Platform, table: TableSpec, options: LoadOptions, on_event: OnEvent | None = None) -> LoadResult:
        self.calls.append((table.name, options))
        if table.name in self.errors:
            raise self.errors[table.name]()
        mode = options.mode
        if mode is Mode.AUTO:
            mode = Mode.INCREMENTAL if table.name in self.loaded and table.cursor else Mode.FULL
        self.loaded.add(table.name)
        if on_event:
            on_event(LoadEvent(table.name, "done", rows=10, bytes=1000))
        return LoadResult(
            table=table.name, status=Status.SUCCESS, mode=mode, run_id=options.run_id, seq=len(self.calls), partitions=options.partitions,
            outcome=Outcome(read=10, inserted=7, updated=2, unchanged=1), seconds=StageSeconds(0.5, 0.25, 0.15, 0.1), bytes=1000, files=1,
            t0=self.t0, high_water=self.t0, query='SELECT "cod-cli" FROM "PUB"."client"', raw_path="raw/x",
            preview_columns=("cod_cli", "iban"), preview_rows=((1, "F***6"), (2, "a|b\n<script>")),
        )  # fmt: skip

    def modes(self) -> dict[str, str]:
        return {name: options.mode.value for name, options in self.calls}


def settings_in(folder: Path, **fields: Any) -> Settings:
    return Settings(home=folder, **fields)


def definitions(specs: Mapping[str, TableSpec], settings: Settings) -> dg.Definitions:
    return build_defs(specs, settings, resources={"platform": cast("Any", FakePlatform(settings))})


def keys_of(*tables: str) -> list[dg.AssetKey]:
    return [dg.AssetKey([layer, table]) for table in tables for layer in ("raw", "stg", "ods")]
