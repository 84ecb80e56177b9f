"""What a load would do, before anything runs: mode, statement, DDL, drift, and from the log rows, seconds and deletes.

Owns the forecast and its fingerprint. Reads the source's columns and clock, the table's state and the log; loads nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.errors import SourceSchemaError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.sync import ChangeClass
from cbm_etl_assets.pipeline import places
from cbm_etl_assets.pipeline.drift import READDED, Drift, preview
from cbm_etl_assets.pipeline.keys import key_spec
from cbm_etl_assets.pipeline.plan import LoadPlan, plan_load
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.source.dialects import dialect
from cbm_etl_assets.source.query import build_select

_RUNS = 5  # the average of the last few: one slow night does not rule the forecast, nor does last year
_LAST_RUNS = (
    "SELECT RowsRead, DurationSeconds, RowsDeleted FROM (SELECT RowsRead, DurationSeconds, RowsDeleted, "
    "ROW_NUMBER() OVER (ORDER BY LogId DESC) AS Recency FROM etl.ETL_Log "
    "WHERE TableName = :table_name AND Mode = :mode AND Status = 'success') AS runs WHERE Recency <= :runs ORDER BY Recency"
)


@dataclass(frozen=True)
class Forecast:
    """`rows`, `seconds`, `deletes` are None where the log knows no such run. `stop`: why the load would fail, "" = it would not."""

    table: str
    mode: str = ""
    statement: str = ""
    parameters: tuple[str, ...] = ()
    rows: int | None = None
    seconds: float | None = None
    deletes: int | None = None
    ddl: tuple[str, ...] = ()
    changes: tuple[DriftRow, ...] = ()
    stop: str = ""
    fingerprint: str = ""

    @property
    def drift_class(self) -> str:
        """The most serious class among the changes, "" for none."""
        order = [kind.value for kind in ChangeClass]
        return max((row.change_class for row in self.changes), key=order.index, default="")


def forecast(platform: Platform, spec: TableSpec, options: LoadOptions) -> Forecast:
    """Raises: ConfigurationError (a mode the table does not have), TransientError. A table that is gone is a `stop`."""
    state = platform.warehouse.state(spec.name)
    try:
        drift = preview(platform, spec, is_first=not state.last_applied_seq)
    except SourceSchemaError as error:
        return Forecast(spec.name, stop=error.message, fingerprint=_digest(spec.name, error.message))
    if drift.stop:
        return Forecast(spec.name, changes=drift.rows, stop=drift.stop, fingerprint=_digest(spec.name, drift.stop))
    again = tuple(row.column for row in drift.rows if row.kind == READDED)
    plan = plan_load(drift.spec, places.complete(options, again), state, platform.source.clock())
    read = key_spec(drift.spec) if plan.mode is Mode.SWEEP else drift.spec
    source = platform.settings.source
    query = build_select(read, plan.range, dialect(source.dialect), zone=source.timezone)
    rows, seconds, deletes = _expected(platform, spec.name, plan)
    return Forecast(
        spec.name, plan.mode.value, query.sql, query.parameters, rows, seconds, deletes, _ddl(platform, drift), drift.rows,
        fingerprint=_digest(drift.spec.model_dump_json(), plan.mode.value, query.sql, *query.parameters),
    )  # fmt: skip


def _expected(platform: Platform, table: str, plan: LoadPlan) -> tuple[int | None, float | None, int | None]:
    runs = platform.control.query(_LAST_RUNS, {"table_name": table, "mode": plan.mode.value, "runs": _RUNS})
    if not runs:
        return None, None, None
    found = [{key.lower(): value for key, value in run.items()} for run in runs]
    rows = round(sum(_number(run["rowsread"]) for run in found) / len(found))
    seconds = sum(_number(run["durationseconds"]) for run in found) / len(found)
    return rows, round(seconds, 3), int(_number(found[0]["rowsdeleted"]))


def _number(value: object) -> float:
    return 0.0 if value is None else float(str(value))


def _ddl(platform: Platform, drift: Drift) -> tuple[str, ...]:
    """In words, not in a dialect's SQL: the warehouse writes that."""
    spec = drift.spec
    stored = {name.lower() for name in platform.warehouse.columns(spec.name)}
    if not stored:
        return (f"create table ods.{spec.name} of {len(spec.target_columns)} columns",)
    new = [f"add column {name} {kind}" for name, kind in spec.target_columns if name.lower() not in stored]
    retyped = {row.column.lower() for row in drift.rows if row.kind in ("widened", "retyped") and row.consequence == "loaded"}
    wider = [
        f"column {name} becomes {column.type}"
        for column in spec.kept_columns if column.name.lower() in retyped
        for name in column.target_names if name.lower() in stored
    ]  # fmt: skip
    return (*new, *wider)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()
