"""Sections of the settings that are long enough for a file of their own. Models only: `settings` reads the environment."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

ChannelName = Literal["teams", "email", "webhook", "slack", "pagerduty", "log"]
SeverityName = Literal["info", "warning", "error", "critical"]
NotifyName = Literal["failure", "success", "retry"]
SqlName = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
_QUIET = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SmtpSettings(Section):
    host: str = ""
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: SecretStr | None = None
    sender: str = Field(default="", description="address the mails come from; default: the user")


class RouteSettings(Section):
    """One way out: a channel, its address, and the severities that take it."""

    name: str = Field(pattern="^[a-z0-9][a-z0-9_-]{0,39}$")
    channel: ChannelName
    url: SecretStr | None = Field(default=None, description="webhook of teams, slack, webhook; other end point of pagerduty")
    key: SecretStr | None = Field(default=None, description="routing key of pagerduty, bearer token of webhook")
    to: tuple[str, ...] = Field(default=(), description="addresses of email")
    severities: tuple[SeverityName, ...] = Field(default=(), description="default: all; pagerduty: error and critical")


class AlertSettings(Section):
    language: Literal["en", "fr"] = "en"
    dagster_url: str = Field(default="", description="address of the Dagster UI, for the buttons, e.g. https://etl.example")
    teams_url: SecretStr | None = Field(default=None, description="webhook of a Power Automate workflow; its sig= is a password")
    slack_url: SecretStr | None = Field(default=None, description="incoming webhook of Slack")
    webhook_url: SecretStr | None = Field(default=None, description="generic webhook, receives JSON")
    pagerduty_key: SecretStr | None = Field(default=None, description="routing key of a PagerDuty Events v2 integration")
    email_to: tuple[str, ...] = Field(default=(), description="addresses, a JSON list; needs CBM_ALERTS__SMTP__HOST")
    smtp: SmtpSettings = SmtpSettings()
    routes: tuple[RouteSettings, ...] = Field(
        default=(), description="further routes, a JSON list: name, channel, url, key, to, severities"
    )
    notify: tuple[NotifyName, ...] = Field(default=("failure",), description="of each load, unless its spec says otherwise")
    quiet_hours: str = Field(default="", description="22:00-07:00 in the source's zone: all but critical waits for the end")
    summary_hour: int = Field(default=8, ge=-1, le=23, description="hour of the daily summary in the source's zone; -1 = none")
    remind_hours: float = Field(default=24, gt=0, description="an alert that stays open is told again after that")
    max_failures: int = Field(default=5, ge=1, description="failed loads in 24 h above which one alert more is raised")
    group_above: int = Field(default=3, ge=1, le=4, description="more alerts than that at once go out as one message")

    @field_validator("quiet_hours")
    @classmethod
    def _hours(cls, value: str) -> str:
        if value and not _QUIET.fullmatch(value):
            raise ValueError("must be HH:MM-HH:MM, e.g. 22:00-07:00")
        return value

    @field_validator("dagster_url")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s\"'<>]+", value):
            raise ValueError("must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("routes")
    @classmethod
    def _names(cls, value: tuple[RouteSettings, ...]) -> tuple[RouteSettings, ...]:
        names = [route.name for route in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two routes are called {', '.join(twice)}")
        return value

    @property
    def quiet(self) -> tuple[dt.time, dt.time] | None:
        if not self.quiet_hours:
            return None
        first, last = (dt.time.fromisoformat(part) for part in self.quiet_hours.split("-"))
        return (first, last)

    @property
    def is_configured(self) -> bool:
        """Is there any way out?"""
        own = (self.teams_url, self.slack_url, self.webhook_url, self.pagerduty_key)
        return bool(self.routes or self.email_to or any(own))

    def secrets(self) -> tuple[SecretStr | None, ...]:
        own = (self.teams_url, self.slack_url, self.webhook_url, self.pagerduty_key, self.smtp.password)
        return (*own, *(secret for route in self.routes for secret in (route.url, route.key)))


class DashboardSettings(Section):
    language: Literal["en", "fr"] | None = Field(default=None, description="of the pages; default: CBM_ALERTS__LANGUAGE")
    environments: dict[str, SecretStr] = Field(default_factory=dict, description="other control databases to choose from: name -> URL")
    allowed_hosts: tuple[str, ...] = Field(default=(), description="names a proxy passes on in the Host header, beside loopback")


class SqlServerSettings(Section):
    """How tables are stored in SQL Server; the login and every keyword of the driver stand in the connection string."""

    ods_schema: SqlName = "ods"
    staging_schema: SqlName = "stg"
    marts_schema: SqlName = "marts"
    key_collation: SqlName = Field(default="Latin1_General_BIN2", description="collation of text keys; it must not change later")
    compression: Literal["none", "page", "columnstore"] = Field(default="none", description="of ODS and history tables made from now on")
    filegroup: str = Field(default="", description="filegroup of ODS and history tables; default: the database's own")
    bulk: Literal["auto", "bulkcopy", "odbc"] = Field(
        default="auto", description="bulkcopy needs the extra `sqlserver`; auto: if it is there"
    )
    bulk_timeout_seconds: int = Field(default=3600, ge=0, description="one bulk copy may last that long; 0 = any time")
    query_timeout_seconds: int = Field(default=0, ge=0, description="one statement may last that long; 0 = any time")


class StageSettings(Section):
    retries: int | None = Field(default=None, ge=0, le=100, description="further tries after a transient error")
    delay_seconds: float | None = Field(default=None, ge=0, description="longest first pause, doubled with every try, with jitter")
    timeout_seconds: float | None = Field(default=None, ge=0, description="of one try; 0 = none")


class StagesSettings(Section):
    """What is not said here: retries of extract and load are CBM_SOURCE__RETRIES and CBM_WAREHOUSE__RETRIES, else the old
    pipeline's figures (`pipeline.stages`)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    extract: StageSettings = StageSettings()
    transform: StageSettings = StageSettings()
    load: StageSettings = StageSettings()
    # Under another name inside: `validate` is a method of every pydantic model.
    validating: StageSettings = Field(default=StageSettings(), alias="validate")

    def of(self, stage: str) -> StageSettings:
        """`stage` is extract|transform|load|validate."""
        chosen: StageSettings = getattr(self, "validating" if stage == "validate" else stage)
        return chosen


# (objective, alert threshold, higher is better)
PAIRS = (
    ("availability_percent", "availability_alert_percent", True), ("latency_seconds", "latency_alert_seconds", False),
    ("error_rate_percent", "error_rate_alert_percent", False), ("freshness_hours", "freshness_alert_hours", False),
    ("quality_percent", "quality_alert_percent", True),
)  # fmt: skip


class SloSettings(Section):
    """Objectives of the platform and of every table that names none of its own (`slo:` and `freshness:` in its spec)."""

    availability_percent: float = Field(default=99.9, gt=0, lt=100, description="expected load slots that are kept")
    availability_alert_percent: float = Field(default=99.5, ge=0, lt=100, description="alert below it")
    latency_seconds: float = Field(default=120, gt=0, description="p95 of full and incremental loads")
    latency_alert_seconds: float = Field(default=150, gt=0, description="alert above it")
    error_rate_percent: float = Field(default=1, gt=0, lt=100, description="failed loads of those that ended")
    error_rate_alert_percent: float = Field(default=2, gt=0, le=100, description="alert above it")
    freshness_hours: float = Field(default=24, gt=0, description="age of the last good load of a table whose spec says none")
    freshness_alert_hours: float = Field(default=36, gt=0, description="stale after it: pages at once")
    quality_percent: float = Field(default=99, gt=0, lt=100, description="evaluated rules that do not fail")
    quality_alert_percent: float = Field(default=95, ge=0, lt=100, description="alert below it")
    window_days: float = Field(default=30, gt=0, le=90, description="window of the error budgets")
    latency_window_days: float = Field(default=7, gt=0, le=90, description="window of the percentiles")
    min_samples: int = Field(default=20, ge=1, description="loads below which there is no percentile")
    slot_grace_hours: float = Field(default=6, gt=0, description="a slot is kept by a load that starts within it and before the next slot")
    page_burn: float = Field(default=6, gt=0, description="budget burn over 6 h and 1 h that pages")
    ticket_burn: float = Field(default=1, gt=0, description="budget burn over 3 days and 6 h that makes a ticket")
    min_bad_events: int = Field(default=2, ge=1, description="bad events in the long window below which no burn is told")

    @model_validator(mode="after")
    def _alerts_are_past_the_objectives(self) -> SloSettings:
        for objective, alert, higher_is_better in PAIRS:
            promised, told = getattr(self, objective), getattr(self, alert)
            if told > promised if higher_is_better else told < promised:
                raise ValueError(f"{alert} {told:g} is stricter than {objective} {promised:g}: set both")
        return self


class JournalSettings(Section):
    """How long what is only there to be looked at is kept. The job `maintenance` prunes every night; 0 = for ever."""

    log_days: int = Field(default=1095, ge=0, description="rows of etl.ETL_Log, DataQuality_Log, Metrics and the healed of Quarantine")
    dagster_days: int = Field(default=60, ge=0, description="Dagster's finished runs and their events; loads do not depend on them")
    file_days: int = Field(default=90, ge=0, description="JSON log files and crash reports under CBM_HOME/logs")
    maintenance_cron: str = Field(default="30 4 * * *", description="when the job `maintenance` runs, in the source's time zone")
