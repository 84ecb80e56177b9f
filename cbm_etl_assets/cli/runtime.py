"""Runtime: what one invocation of `cbm-etl` holds, opened on first use and closed at the end.

Owns the wiring of settings, catalogue and platform for the commands, and the selection of tables by name. Everything heavy
is imported inside: `cbm-etl --help` has 0.4 s, and pydantic-settings alone costs more.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

import typer

from cbm_etl_assets.errors import UnknownTableError

if TYPE_CHECKING:
    from cbm_etl_assets.cli.output import Output
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.pipeline.platform import Platform
    from cbm_etl_assets.settings import Settings
    from cbm_etl_assets.source.pool import WorkerPool
    from cbm_etl_assets.twin.handle import TwinHandle


def _load_settings(home: Path | None) -> Settings:
    from cbm_etl_assets.settings import load_settings

    return load_settings() if home is None else load_settings(home=home)


def _with_twin(settings: Settings) -> Settings:
    """In DEV, with no source set, a twin running in the same home is the source: its password never passes through a shell."""
    if settings.source.connection_string or settings.env != "DEV" or not (settings.home / "twin" / "state.json").exists():
        return settings
    from pydantic import SecretStr

    from cbm_etl_assets.twin import server

    handle = server.status(settings.home)
    if handle is None:
        return settings
    source = settings.source.model_copy(update={"connection_string": SecretStr(handle.odbc)})
    return with_twin_warehouse(settings.model_copy(update={"source": source}), handle)


def with_twin_warehouse(settings: Settings, handle: TwinHandle) -> Settings:
    """A PostgreSQL warehouse nobody named stands on the twin's server, in a database of its own."""
    from pydantic import SecretStr

    if settings.warehouse.kind != "postgresql" or settings.warehouse.connection_string is not None:
        return settings
    handle.create_warehouse()
    held = settings.warehouse.model_copy(update={"connection_string": SecretStr(handle.warehouse_url)})
    return settings.model_copy(update={"warehouse": held})


def _load_catalog(settings: Settings) -> Mapping[str, TableSpec]:
    from cbm_etl_assets.metadata.catalog import load_catalog

    return load_catalog(settings.tables_dir)


def _open_platform(settings: Settings, catalog: Mapping[str, TableSpec], pool: WorkerPool | None = None) -> Platform:
    from cbm_etl_assets.pipeline.platform import open_platform

    return open_platform(settings, catalog, pool)


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass
class Runtime:
    """The seams are fields, so that a test puts its own in."""

    load_settings: Callable[[Path | None], Settings] = _load_settings
    load_catalog: Callable[[Settings], Mapping[str, TableSpec]] = _load_catalog
    open_platform: Callable[..., Platform] = _open_platform
    now: Callable[[], dt.datetime] = utc_now
    home: Path | None = None
    debug: bool = False
    machine: bool = False
    stop_seconds: float = 8.0  # a load ends within 10 s of SIGTERM
    extra_secrets: tuple[str, ...] = ()
    closers: list[Callable[[], None]] = field(default_factory=list)
    pool: WorkerPool | None = None
    starts_readers: bool = True  # False in tests that put a fake source in

    @cached_property
    def settings(self) -> Settings:
        settings = _with_twin(self.load_settings(self.home))
        from cbm_etl_assets.observability.logs import configure_logging

        configure_logging(settings.log_dir, settings.secrets())
        return settings

    @cached_property
    def catalog(self) -> Mapping[str, TableSpec]:
        return self.load_catalog(self.settings)

    def warm(self) -> None:
        """Start the reader process before anything else: its 0.7 s of imports pass while ours, the settings and the specs do."""
        if not self.starts_readers:
            return
        from cbm_etl_assets.source.pool import WorkerPool

        self.pool = WorkerPool()
        self.closers.append(self.pool.close)
        self.pool.warm()

    @cached_property
    def platform(self) -> Platform:
        platform = self.open_platform(self.settings, self.catalog, self.pool)
        self.closers.append(platform.close)
        return platform

    @property
    def secrets(self) -> tuple[str, ...]:
        """Known secrets for redaction; none before the settings are read, which then never entered any message."""
        return (*(self.settings.secrets() if "settings" in self.__dict__ else ()), *self.extra_secrets)

    def output(self, *, machine: bool = False) -> Output:
        from cbm_etl_assets.cli.output import Output

        self.machine = self.machine or machine
        return Output(machine=self.machine)

    def tell_alerts(self, output: Output) -> None:
        """At the end of a run: what the journal now says goes to whoever is to be told, 10 s at most; nothing without a channel."""
        if not self.settings.alerts.is_configured:
            return
        from cbm_etl_assets.pipeline.watch import after_run

        result = after_run(self.settings, self.catalog)
        if result is not None and result.note:
            output.note(result.note)

    def publish(self, output: Output, run_ids: Iterable[str]) -> None:
        """At the end of a run: spans and metrics, where a collector or a file is configured."""
        wanted = self.settings.observability
        if not (wanted.otlp_endpoint or wanted.metrics_file):
            return
        from cbm_etl_assets.pipeline.aftermath import publish

        for said in publish(self.platform.control, self.catalog, self.settings, run_ids):
            output.note(said)

    def table(self, name: str) -> TableSpec:
        return find_table(self.catalog, name)

    def close(self) -> None:
        while self.closers:
            self.closers.pop()()


def find_table(catalog: Mapping[str, TableSpec], name: str) -> TableSpec:
    """By its name, whatever the case, else by its source name when one table only has it. Raises: UnknownTableError."""
    if name in catalog:
        return catalog[name]
    wanted = name.lower()
    named = [spec for key, spec in catalog.items() if key.lower() == wanted]
    found = named or [spec for spec in catalog.values() if spec.table.lower() == wanted]
    if len(found) != 1:
        raise UnknownTableError(name, catalog)
    return found[0]


def runtime_of(context: typer.Context) -> Runtime:
    """The invocation's runtime, put there by `app.main` (or by a test)."""
    return cast(Runtime, context.find_root().obj)
