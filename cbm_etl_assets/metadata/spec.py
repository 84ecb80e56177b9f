"""TableSpec: what one `tables/<t>.yaml` says.

Owns the fields, their defaults and the rules that hold inside one table. Files, line numbers and rules across
tables live in `metadata.catalog`; SQL-safe names in `metadata.naming`.
"""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.metadata.types import LogicalType

_DURATION = re.compile(r"^\s*(\d+)\s*([dhm])\s*$")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


def parse_duration(value: Any) -> Any:
    """'0d', '1d', '12h', '30m' (the spelling of config.ETL_Tables.LookbackInterval) to a timedelta."""
    if isinstance(value, str) and (found := _DURATION.match(value)):
        unit = {"d": "days", "h": "hours", "m": "minutes"}[found[2]]
        return dt.timedelta(**{unit: int(found[1])})
    return value


Duration = Annotated[dt.timedelta, BeforeValidator(parse_duration)]


class Priority(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"


class TableKind(StrEnum):
    DIMENSION = "dimension"
    FACT = "fact"


class CursorPrecision(StrEnum):
    DATE = "date"
    DATETIME = "datetime"


class NullCursor(StrEnum):
    ALWAYS = "always"  # rows with a NULL cursor are read by every incremental
    FULL_ONLY = "full_only"  # they are read by full loads only


class Mask(StrEnum):
    HASH = "hash"  # SHA-256 of the value, hexadecimal
    REDACT = "redact"  # '***'
    NULL = "null"
    PARTIAL = "partial"  # first and last character kept


class Clean(_Model):
    """Declared cleaning; every value it changes is counted and reported."""

    trim: bool = False
    null_tokens: tuple[str, ...] = ()


class ColumnSpec(_Model):
    """One source column. `type` is the type of one element where the column is an extent (array)."""

    name: str = Field(min_length=1, max_length=128, description="name in the source, any characters")
    type: str = Field(description="varchar(n), integer, bigint, decimal(p,s), double, boolean, date, timestamp, timestamptz, time, binary")
    target: str | None = Field(default=None, description="name in staging and ODS; default: the SQL-safe form of name")
    source_type: str | None = Field(default=None, description="type as the source delivers it where `type` overrides it")
    exclude: bool = False
    extent: int = Field(default=0, ge=0, le=28000, description="number of elements of an array; 0 = scalar")
    explode: bool = Field(default=True, description="an extent becomes target_1..target_n; false keeps the text as delivered")
    mask: Mask | None = None
    clean: Clean | None = None
    nullable: bool = True
    case_sensitive: bool | None = Field(default=None, description="as a key: None = the source dialect's rule")
    sql_width: int | None = Field(default=None, ge=1, description="SQL width in the source, in characters")
    label: str = ""
    description: str = ""

    @field_validator("type", "source_type")
    @classmethod
    def _type_is_known(cls, value: str | None) -> str | None:
        return None if value is None else str(LogicalType.parse(value))

    @cached_property
    def logical(self) -> LogicalType:
        return LogicalType.parse(self.type)

    @cached_property
    def source_logical(self) -> LogicalType:
        """What the source delivers for one element."""
        return LogicalType.parse(self.source_type or self.type)

    @cached_property
    def target_name(self) -> str:
        return self.target or sql_safe(self.name)

    @cached_property
    def target_names(self) -> tuple[str, ...]:
        """ODS columns this source column becomes: one, or one an element of an exploded extent."""
        if self.extent and self.explode:
            return tuple(f"{self.target_name}_{i}" for i in range(1, self.extent + 1))
        return (self.target_name,)


class CursorSpec(_Model):
    """The modification column or columns. A row qualifies when ANY of them does."""

    columns: tuple[str, ...] = Field(min_length=1)
    precision: CursorPrecision = CursorPrecision.DATETIME
    time_column: str | None = Field(default=None, description="column with the time of day beside a DATE cursor, e.g. hr_mod")
    lookback: Duration = dt.timedelta(hours=2)
    nulls: NullCursor = NullCursor.ALWAYS

    @field_validator("lookback")
    @classmethod
    def _not_negative(cls, value: dt.timedelta) -> dt.timedelta:
        if value < dt.timedelta(0):
            raise ValueError("lookback must not be negative")
        return value


class PartitionGrain(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class PartitionSpec(_Model):
    grain: PartitionGrain = PartitionGrain.DAY
    start: dt.date = Field(description="first partition; rows before it belong to it")


class SplitSpec(_Model):
    """Parallel reads of one table, split in ranges of the leading column of an index. Never OFFSET."""

    column: str
    parts: int = Field(ge=2, le=16)


class FreshnessSpec(_Model):
    warn: Duration = dt.timedelta(hours=24)
    fail: Duration = dt.timedelta(hours=36)


class ScheduleSpec(_Model):
    cron: str = "0 2 * * *"
    timezone: str = "Europe/Paris"
    mode: str = Field(default="incremental", pattern="^(incremental|full)$")
    enabled: bool = True

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, value: str) -> str:
        if len(value.split()) != 5:
            raise ValueError(f"cron '{value}' must have five fields: minute hour day month weekday")
        return value


class DeleteSpec(_Model):
    """Deletes of the source. Refused as a mass delete: more than max_percent AND more than max_rows, or an empty source."""

    max_percent: float = Field(default=30, ge=0, le=100)
    max_rows: int = Field(default=50, ge=0)
    purge_after: Duration | None = Field(default=None, description="tombstones older than that are removed from the current table")


class TableSpec(_Model):
    """One target table. Several targets may share one `source` through `filter`."""

    table: str = Field(min_length=1, max_length=128, description="source table, e.g. client")
    source_schema: str = "PUB"
    filter: str | None = Field(default=None, description="source predicate added to every read, in the source's SQL")
    target: str | None = Field(default=None, description="ODS table name; default: the SQL-safe form of table")
    kind: TableKind = TableKind.DIMENSION
    group: str = "default"
    priority: Priority = Priority.NORMAL
    owners: tuple[str, ...] = ()
    description: str = ""
    primary_key: tuple[str, ...] = Field(default=(), description="source columns; empty = no key: full loads, rows matched as a multiset")
    cursor: CursorSpec | None = None
    partition: PartitionSpec | None = None
    split: SplitSpec | None = None
    columns: tuple[ColumnSpec, ...] = Field(min_length=1)
    depends_on: tuple[str, ...] = ()
    quality: tuple[dict[str, Any], ...] = ()
    freshness: FreshnessSpec = FreshnessSpec()
    schedule: ScheduleSpec | None = None
    tags: dict[str, str] = Field(default_factory=dict)
    history: bool = Field(default=False, description="keep every version of a row in ods.<target>_history")
    deletes: DeleteSpec = DeleteSpec()
    duplicate_keys_max: int = Field(default=10, ge=0, description="duplicates of a key in one extraction above which the load stops")

    @cached_property
    def name(self) -> str:
        """The table's one name in assets, CLI, logs, staging and ODS."""
        return self.target or sql_safe(self.table)

    @cached_property
    def kept_columns(self) -> tuple[ColumnSpec, ...]:
        return tuple(c for c in self.columns if not c.exclude)

    @cached_property
    def target_columns(self) -> tuple[tuple[str, LogicalType], ...]:
        """ODS-bound columns in spec order, extents exploded: (name, type)."""
        return tuple((name, _ods_type(c)) for c in self.kept_columns for name in c.target_names)

    def column(self, source_name: str) -> ColumnSpec:
        return next(c for c in self.columns if c.name.lower() == source_name.lower())

    @cached_property
    def key_targets(self) -> tuple[str, ...]:
        return tuple(self.column(k).target_name for k in self.primary_key)

    @model_validator(mode="after")
    def _columns_exist(self) -> TableSpec:
        known = {c.name.lower(): c for c in self.columns}
        if len(known) != len(self.columns):
            seen: set[str] = set()
            twice = sorted({c.name for c in self.columns if c.name.lower() in seen or seen.add(c.name.lower())})  # type: ignore[func-returns-value]
            raise ValueError(f"columns: declared twice: {', '.join(twice)}")
        uses = [("primary_key", k) for k in self.primary_key]
        if self.cursor:
            uses += [("cursor.columns", c) for c in self.cursor.columns]
            uses += [("cursor.time_column", self.cursor.time_column)] if self.cursor.time_column else []
        if self.split:
            uses.append(("split.column", self.split.column))
        for where, name in uses:
            if name.lower() not in known:
                raise ValueError(f"{where}: unknown column '{name}'. Known: {', '.join(sorted(c.name for c in self.columns))}")
            if known[name.lower()].exclude:
                raise ValueError(f"{where}: column '{name}' is excluded; keep it or choose another")
        if self.partition and not self.cursor:
            raise ValueError("partition: needs a cursor; without one the table is loaded in full")
        return self


def _ods_type(column: ColumnSpec) -> LogicalType:
    if column.extent and not column.explode:
        return LogicalType.parse(f"varchar({column.sql_width})" if column.sql_width else "varchar")
    return column.logical
