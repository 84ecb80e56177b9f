"""TableSpec: what one `tables/<t>.yaml` says.

Owns the fields, their defaults and the rules of one field. Rules that span fields are in `metadata.specrules`; files,
line numbers and rules across tables in `metadata.catalog`; SQL-safe names in `metadata.naming`.
"""

from __future__ import annotations

import datetime as dt
import re
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import islice
from typing import Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator, model_validator

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.cron import check_cron
from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.metadata.rules import Rule, parse_rules
from cbm_etl_assets.metadata.specrules import breaches, known
from cbm_etl_assets.metadata.stages import StagesSpec
from cbm_etl_assets.metadata.types import LogicalType

_DURATION = re.compile(r"^\s*(\d{1,9})\s*([dhm])\s*$")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}")  # what Dagster takes for an address
_TEAM = re.compile(r"team:[A-Za-z0-9_.-]+")
_TAG_KEY = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE = re.compile(r"[A-Za-z0-9_.-]{0,63}")
MAX_COLUMNS = 5000  # OpenEdge SQL's own limit
MAX_BREACHES = 50  # each may search the nearest of 5,000 names; a reader needs the first few
_parse_type = lru_cache(maxsize=4096)(LogicalType.parse)  # 500 tables share a few hundred types


@lru_cache(maxsize=4096)
def _type_text(text: str) -> str:
    return str(_parse_type(text))


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


def parse_duration(value: Any) -> Any:
    """'0d', '1d', '12h', '30m' (the spelling of config.ETL_Tables.LookbackInterval) to a timedelta."""
    if isinstance(value, str) and (found := _DURATION.match(value)):
        unit = {"d": "days", "h": "hours", "m": "minutes"}[found[2]]
        return dt.timedelta(**{unit: int(found[1])})
    return value


def _not_negative(value: dt.timedelta) -> dt.timedelta:
    if value < dt.timedelta(0):
        raise ValueError("a duration must not be negative")
    return value


Duration = Annotated[
    dt.timedelta,
    BeforeValidator(parse_duration),
    AfterValidator(_not_negative),
    WithJsonSchema({"type": "string", "pattern": r"^\s*\d{1,9}\s*[dhm]\s*$", "examples": ["0d", "30m", "12h", "2d"]}),
]
SafeName = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]


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


class OnMissing(StrEnum):
    FAIL = "fail"  # a cursor column that is gone from the source stops the table
    FULL = "full"  # the table is loaded in full until another cursor is named


class DriftPolicy(StrEnum):
    EVOLVE = "evolve"  # follow the source as far as nothing is lost
    FREEZE = "freeze"  # a change that would alter ODS stops the table; additions are reported only


class Notify(StrEnum):
    FAILURE = "failure"
    SUCCESS = "success"
    RETRY = "retry"  # good in the end, after transient errors


class Mask(StrEnum):
    HASH = "hash"  # SHA-256 of the value, hexadecimal
    REDACT = "redact"  # '***'
    NULL = "null"
    PARTIAL = "partial"  # first and last character kept


class NonFinite(StrEnum):
    KEEP = "keep"  # NaN and the infinities are values like others, where the warehouse has them
    QUARANTINE = "quarantine"  # for a warehouse that has none (SQL Server), or consumers that cannot read them


class Clean(_Model):
    """Declared cleaning; every value it changes is counted and reported."""

    trim: bool = Field(default=False, description="take blanks off both ends")
    null_tokens: tuple[str, ...] = Field(default=(), description="values that mean nothing, e.g. '', '?', '00/00/00'")


class ColumnSpec(_Model):
    """One source column. `type` is the type of one element where the column is an extent (array)."""

    name: str = Field(min_length=1, max_length=128, description="name in the source, any characters")
    type: str = Field(description="varchar(n), integer, bigint, decimal(p,s), double, boolean, date, timestamp, timestamptz, time, binary")
    target: SafeName | None = Field(default=None, description="name in staging and ODS; default: the SQL-safe form of name")
    source_type: str | None = Field(default=None, description="type as the source delivers it where `type` overrides it")
    exclude: bool = Field(default=False, description="not read at all")
    extent: int = Field(default=0, ge=0, le=28000, description="number of elements of an array; 0 = scalar")
    explode: bool = Field(default=True, description="an extent becomes target_1..target_n; false keeps the text as delivered")
    mask: Mask | None = Field(default=None, description="hide the value everywhere: hash, redact, partial, 'null' (in quotes)")
    clean: Clean | None = Field(default=None, description="declared cleaning; every changed value is counted and reported")
    non_finite: NonFinite = Field(default=NonFinite.KEEP, description="NaN and infinity in a double: keep, quarantine")
    nullable: bool = Field(default=True, description="false where the source declares it mandatory")
    case_sensitive: bool | None = Field(default=None, description="as a key: None = the source dialect's rule")
    sql_width: int | None = Field(default=None, ge=1, description="SQL width in the source, in characters")
    label: str = Field(default="", description="what people call it")
    description: str = ""

    @field_validator("type", "source_type")
    @classmethod
    def _type_is_known(cls, value: str | None) -> str | None:
        try:
            return None if value is None else _type_text(value)
        except SpecError as error:
            raise ValueError(error.message) from None

    @cached_property
    def logical(self) -> LogicalType:
        return _parse_type(self.type)

    @cached_property
    def source_logical(self) -> LogicalType:
        """What the source delivers for one element."""
        return _parse_type(self.source_type or self.type)

    def is_text_whatever(self, found: LogicalType) -> bool:
        """`source_type: varchar` over a column that is no text: read as the text the source writes, to keep every digit of it."""
        return self.source_type is not None and self.source_logical.is_text and not found.is_text

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

    columns: tuple[str, ...] = Field(min_length=1, description="source columns, e.g. [dat_mod, dat_crt]")
    precision: CursorPrecision = Field(default=CursorPrecision.DATETIME, description="date: the whole day is read again")
    time_column: str | None = Field(default=None, description="column with the time of day beside a DATE cursor, e.g. hr_mod")
    lookback: Duration = Field(default=dt.timedelta(hours=2), description="read again what changed this long before the watermark")
    nulls: NullCursor = Field(default=NullCursor.ALWAYS, description="when rows without a cursor value are read: always, full_only")
    on_missing: OnMissing = Field(default=OnMissing.FAIL, description="when a cursor column is gone from the source: fail, full")


class PartitionGrain(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class PartitionSpec(_Model):
    grain: PartitionGrain = PartitionGrain.DAY
    start: dt.date = Field(description="first partition; rows before it belong to it")


class SplitSpec(_Model):
    """Parallel reads of one table, split in ranges of the leading column of an index. Never OFFSET."""

    column: str = Field(description="leading column of an index of the source")
    parts: int = Field(ge=2, le=16, description="parallel readers; the source's connection cap holds all the same")


class FreshnessSpec(_Model):
    warn: Duration = Field(default=dt.timedelta(hours=24), description="age of the last good load that is a warning")
    fail: Duration = Field(default=dt.timedelta(hours=36), description="age that is a breach")


class SloSpec(_Model):
    """Objectives of this table where they differ from CBM_SLO__*; any of them makes its error budget watched by itself.

    The freshness objective is `freshness:`, warn = objective and fail = alert.
    """

    availability_percent: float | None = Field(default=None, gt=0, lt=100, description="expected load slots that are kept")
    availability_alert_percent: float | None = Field(default=None, ge=0, lt=100, description="alert below it")
    latency_seconds: float | None = Field(default=None, gt=0, description="p95 of a load")
    latency_alert_seconds: float | None = Field(default=None, gt=0, description="alert above it")
    error_rate_percent: float | None = Field(default=None, gt=0, lt=100, description="failed loads")
    error_rate_alert_percent: float | None = Field(default=None, gt=0, le=100, description="alert above it")
    quality_percent: float | None = Field(default=None, gt=0, lt=100, description="evaluated rules that do not fail")
    quality_alert_percent: float | None = Field(default=None, ge=0, lt=100, description="alert below it")

    @model_validator(mode="after")
    def _alerts_are_past_the_objectives(self) -> SloSpec:
        for name, value in self:
            alert = name.replace("_percent", "_alert_percent").replace("_seconds", "_alert_seconds")
            told = getattr(self, alert, None) if "_alert_" not in name else None
            if value is None or told is None:
                continue
            if told > value if name.startswith(("availability", "quality")) else told < value:
                raise ValueError(f"{alert} {told:g} is stricter than {name} {value:g}")
        return self


class ScheduleSpec(_Model):
    cron: str = Field(default="0 2 * * *", description="minute hour day month weekday")
    timezone: str = Field(default="Europe/Paris", description="IANA zone the cron is read in")
    mode: str = Field(default="incremental", pattern="^(incremental|full)$")
    enabled: bool = True

    @field_validator("cron")
    @classmethod
    def _cron(cls, value: str) -> str:
        return check_cron(value)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone '{value}'. Known: IANA names such as Europe/Paris, UTC") from None
        return value


class DeleteSpec(_Model):
    """Deletes of the source. Refused as a mass delete: more than max_percent AND more than max_rows, or an empty source."""

    max_percent: float = Field(default=30, ge=0, le=100)
    max_rows: int = Field(default=50, ge=0)
    purge_after: Duration | None = Field(default=None, description="tombstones older than that are removed from the current table")


class QuarantineSpec(_Model):
    """Bad rows a load may leave out: it fails above max_rows AND max_percent of the rows read, and above `limit` in any case."""

    max_rows: int = Field(default=100, ge=0, le=10_000)
    max_percent: float = Field(default=1, ge=0, le=100)

    @property
    def limit(self) -> int:
        """A table of which more rows are bad needs its spec or its source corrected, not a longer list."""
        return max(self.max_rows, 1000)

    def exceeded(self, bad: int, read: int) -> bool:
        return bad > self.limit or (bad > self.max_rows and 100 * bad > self.max_percent * read)


class TableSpec(_Model):
    """One target table. Several targets may share one `source` through `filter`."""

    table: str = Field(min_length=1, max_length=128, description="source table, e.g. client")
    source_schema: str = "PUB"
    filter: str | None = Field(default=None, description="source predicate added to every read, in the source's SQL")
    target: SafeName | None = Field(default=None, description="ODS table name; default: the SQL-safe form of table")
    kind: TableKind = TableKind.DIMENSION
    group: str = Field(default="default", pattern="^[A-Za-z0-9_]+$", max_length=128, description="asset group, e.g. sales")
    priority: Priority = Field(default=Priority.NORMAL, description="critical tables are loaded first")
    owners: tuple[str, ...] = Field(default=(), description="e-mail addresses or team:name")
    description: str = ""
    primary_key: tuple[str, ...] = Field(
        default=(), max_length=32, description="source columns; empty = no key: full loads, rows matched as a multiset"
    )
    cursor: CursorSpec | None = Field(default=None, description="modification columns; none: every load is full")
    partition: PartitionSpec | None = Field(default=None, description="date partitions for backfills; needs a cursor")
    split: SplitSpec | None = Field(default=None, description="parallel reads of a large table")
    columns: tuple[ColumnSpec, ...] = Field(min_length=1, max_length=MAX_COLUMNS, description="one line a source column")
    depends_on: tuple[str, ...] = Field(default=(), description="tables loaded before, by target name")
    quality: tuple[dict[str, Any] | str, ...] = Field(default=(), max_length=500, description="rules on the data, one a line")
    freshness: FreshnessSpec = FreshnessSpec()
    notify: tuple[Notify, ...] | None = Field(default=None, description="messages on failure, success, retry; default: CBM_ALERTS__NOTIFY")
    slo: SloSpec = SloSpec()
    schedule: ScheduleSpec | None = None
    tags: dict[str, str] = Field(default_factory=dict, description="letters, digits, _ . - in keys and values, 63 at most")
    history: bool = Field(default=False, description="keep every version of a row in ods.<target>_history")
    deletes: DeleteSpec = DeleteSpec()
    quarantine: QuarantineSpec = QuarantineSpec()
    stages: StagesSpec = Field(default=StagesSpec(), description="retries, delay and time-out of extract, transform, load, validate")
    drift: DriftPolicy = Field(default=DriftPolicy.EVOLVE, description="when the source's schema changes: evolve, freeze")
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

    @cached_property
    def _by_name(self) -> dict[str, ColumnSpec]:
        return {c.name.lower(): c for c in self.columns}

    def column(self, source_name: str) -> ColumnSpec:
        """The column of that source name, compared without case. Raises: SpecError naming the known ones."""
        found = self._by_name.get(source_name.lower())
        if found is None:
            raise SpecError(f"Table '{self.name}' has no column '{source_name}'.{known([c.name for c in self.columns], source_name)}")
        return found

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The quality rules, as `metadata.rules` reads them; one line may make several."""
        return parse_rules(self) if self.quality else ()

    @cached_property
    def key_targets(self) -> tuple[str, ...]:
        return tuple(self.column(k).target_name for k in self.primary_key)

    @field_validator("owners")
    @classmethod
    def _owners(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for owner in value:
            if not (_EMAIL.fullmatch(owner) or _TEAM.fullmatch(owner)):
                raise ValueError(f"owner '{owner}' must be an e-mail address or team:name")
        return value

    @field_validator("tags")
    @classmethod
    def _tags(cls, value: dict[str, str]) -> dict[str, str]:
        for key, tag in value.items():
            if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(tag):
                raise ValueError(f"tag '{key}: {tag}' may hold letters, digits, '_', '-' and '.' only, 63 at most in key and value")
        return value

    @model_validator(mode="after")
    def _rules(self) -> TableSpec:
        if broken := list(islice(breaches(self), MAX_BREACHES)):
            raise ValueError("\n".join(broken))
        return self


def _ods_type(column: ColumnSpec) -> LogicalType:
    if column.extent and not column.explode:
        return LogicalType.parse(f"varchar({column.sql_width})" if column.sql_width else "varchar")
    return column.logical
