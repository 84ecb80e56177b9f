"""What one load will read: the effective mode and the range. Pure; the state comes from the warehouse, t0 from the source."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.partitions import bounds
from cbm_etl_assets.metadata.spec import CursorPrecision, NullCursor, TableSpec
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.source.port import ReadRange
from cbm_etl_assets.warehouse.port import TableState

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LoadPlan:
    """`t0` is the source's clock, naive, read before the first row. `keys_only`: only keys named elsewhere are read, no range."""

    mode: Mode
    range: ReadRange
    seq: int
    fencing_token: int
    t0: dt.datetime
    partitions: tuple[str, ...] = ()
    watermark_before: dt.datetime | None = None
    keys: pa.Table | None = field(default=None, repr=False, compare=False)
    keys_only: bool = False
    after_seq: int | None = None  # the last load ODS had taken when this one began

    def watermark_now(self, high_water: dt.datetime | None) -> dt.datetime | None:
        """Where the table stands once this load is applied: it only moves forwards."""
        marks = [mark for mark in (self.watermark_before, self.watermark_after(high_water)) if mark is not None]
        return max(marks, default=None)

    def watermark_after(self, high_water: dt.datetime | None) -> dt.datetime | None:
        """The watermark this load may set: capped at t0, so a row stamped 2999 cannot starve the others; None = leave it."""
        if self.mode in (Mode.PARTITION, Mode.SWEEP, Mode.REPAIR) or high_water is None:
            return None
        return min(high_water, self.t0)


def effective_mode(spec: TableSpec, options: LoadOptions, state: TableState) -> Mode:
    """partition when partitions are given; full without a cursor or before the first full load; else as asked."""
    if options.replay or options.mode is Mode.PARTITION or (options.mode is Mode.AUTO and options.partitions):
        return Mode.PARTITION
    if options.mode in (Mode.SWEEP, Mode.REPAIR):
        return options.mode
    if options.mode is Mode.FULL or spec.cursor is None or not spec.primary_key or not state.last_full_seq or state.watermark is None:
        return Mode.FULL
    if full_read_due(spec, state):
        return Mode.FULL
    return Mode.INCREMENTAL


def full_read_due(spec: TableSpec, state: TableState) -> bool:
    """Rows already in ODS lack a column, or bear a row hash taken over another type of it: one full read puts that right."""
    hashed = {name for name, _ in spec.target_columns} - set(spec.key_targets)
    return bool(state.hash_columns) and not hashed <= set(state.hash_columns)


def plan_load(spec: TableSpec, options: LoadOptions, state: TableState, t0: dt.datetime) -> LoadPlan:
    """Raises: ConfigurationError when partitions are asked of a table that has none, or a partition load names none."""
    mode = effective_mode(spec, options, state)
    seq, token = state.last_issued_seq, state.fencing_token
    if options.replay:
        _refuse_replay(spec)
        return LoadPlan(mode, ReadRange(), seq, token, t0, watermark_before=state.watermark, keys_only=True)
    if mode is Mode.PARTITION:
        return LoadPlan(mode, _partition_range(spec, options.partitions), seq, token, t0, options.partitions, state.watermark)
    if mode is Mode.REPAIR:
        _refuse_repair(spec, options)
        return LoadPlan(mode, ReadRange(), seq, token, t0, watermark_before=state.watermark, keys_only=True, keys=options.keys)
    if mode is Mode.SWEEP:
        _refuse_sweep(spec, state)
    if mode in (Mode.FULL, Mode.SWEEP):
        return LoadPlan(mode, ReadRange(), seq, token, t0, watermark_before=state.watermark)
    return LoadPlan(mode, _incremental_range(spec, state), seq, token, t0, watermark_before=state.watermark)


def _refuse_repair(spec: TableSpec, options: LoadOptions) -> None:
    if not spec.primary_key:
        raise ConfigurationError(f"Table '{spec.name}' has no key to repair by.", remedy=f"cbm-etl run {spec.name} --mode full")
    if options.keys is None or not options.keys.num_rows:
        raise ConfigurationError(f"Table '{spec.name}': a repair needs at least one key.", remedy=f"cbm-etl repair {spec.name} finds them")


def _refuse_replay(spec: TableSpec) -> None:
    if not spec.primary_key:
        raise ConfigurationError(
            f"Table '{spec.name}' has no key to replay by.", remedy=f"cbm-etl run {spec.name} --mode full loads what is good now"
        )


def _refuse_sweep(spec: TableSpec, state: TableState) -> None:
    if not spec.primary_key:
        raise ConfigurationError(
            f"Table '{spec.name}' has no key to sweep.", remedy=f"cbm-etl run {spec.name} --mode full finds its deletes"
        )
    if not state.last_full_seq:
        raise ConfigurationError(f"Table '{spec.name}' was never loaded in full.", remedy=f"cbm-etl run {spec.name} --mode full")


def _partition_range(spec: TableSpec, keys: tuple[str, ...]) -> ReadRange:
    if spec.partition is None or not spec.primary_key:
        raise ConfigurationError(
            f"Table '{spec.name}' has no partitions.",
            remedy="give it a cursor, a primary_key and `partition:` in its spec, or load it in full",
        )
    if not keys:
        raise ConfigurationError(f"Table '{spec.name}': a partition load needs at least one partition.", remedy="--from and --to name them")
    lower, upper = bounds(spec.partition, keys)
    return ReadRange(lower, upper, include_nulls=lower is None)


def _incremental_range(spec: TableSpec, state: TableState) -> ReadRange:
    """c >= W - L; a DATE cursor cuts W - L to midnight and re-reads that whole day."""
    if spec.cursor is None or state.watermark is None:
        return ReadRange()
    lower = state.watermark - spec.cursor.lookback
    if spec.cursor.precision is CursorPrecision.DATE:
        lower = dt.datetime.combine(lower.date(), dt.time())
    return ReadRange(lower, None, include_nulls=spec.cursor.nulls is NullCursor.ALWAYS)
