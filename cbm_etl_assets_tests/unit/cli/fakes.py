"""A runtime whose platform is played: what the commands ask for is kept, what they are answered is set by the test."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import SecretStr

from cbm_etl_assets.cli.app import main
from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.control.port import DriftRow, QuarantineEntry
from cbm_etl_assets.errors import SourceSchemaError, WarehouseError
from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.spec import ColumnSpec, CursorSpec, PartitionSpec, Priority, TableSpec
from cbm_etl_assets.reliability.breaker import Breaker
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.warehouse.port import QueryResult

if TYPE_CHECKING:
    from cbm_etl_assets.pipeline.platform import Platform

CANARY = "hunter2-canary"
NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)


def spec(name: str, *, priority: Priority = Priority.NORMAL, group: str = "ventes", **more: Any) -> TableSpec:
    columns = (ColumnSpec(name="id", type="integer"), ColumnSpec(name="dat_mod", type="date"))
    return TableSpec(table=name, columns=columns, primary_key=("id",), priority=priority, group=group, **more)


CATALOG: Mapping[str, TableSpec] = {
    "client": spec(
        "client", priority=Priority.CRITICAL, group="tiers", tags={"domain": "crm"}, cursor=CursorSpec(columns=("dat_mod",)),
        partition=PartitionSpec(start=dt.date(2026, 1, 1)),
    ),
    "lignecli": spec("lignecli", priority=Priority.HIGH),
    "Stock": spec("Stock"),
}  # fmt: skip


@dataclass
class FakeWarehouse:
    answer: QueryResult = field(default_factory=lambda: QueryResult(("n",), [(1,)]))
    asked: list[str] = field(default_factory=list)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> QueryResult:
        self.asked.append(sql)
        if sql.lower().startswith("delete"):
            raise WarehouseError("Not read-only: 'delete'.")
        return self.answer


@dataclass
class FakeControl:
    answers: dict[str, list[dict[str, object]]] = field(default_factory=dict)
    drift: list[DriftRow] = field(default_factory=list)

    def drift_rows(self, table: str) -> list[DriftRow]:
        return self.drift

    known: dict[str, Breaker] = field(default_factory=dict)

    def breakers(self) -> Mapping[str, Breaker]:
        return self.known

    def change_breaker(self, resource: str, transition: Callable[[Breaker], Breaker | None]) -> Breaker | None:
        after = transition(self.known.get(resource, Breaker(resource)))
        if after is not None:
            self.known[resource] = after
        return after

    quarantine: list[QuarantineEntry] = field(default_factory=list)
    dropped: list[tuple[str, list[int]]] = field(default_factory=list)

    def upgrade(self) -> None: ...

    def reap_runs(self) -> int:
        return 0

    def quarantine_entries(self, table: str | None = None) -> list[QuarantineEntry]:
        return [entry for entry in self.quarantine if table in (None, entry.table)]

    def quarantine_drop(self, table: str, ids: Sequence[int]) -> int:
        self.dropped.append((table, list(ids)))
        return len(ids)

    def query(self, sql: str, parameters: dict[str, object] | None = None) -> list[dict[str, object]]:
        return next((rows for part, rows in self.answers.items() if part in sql), [])


@dataclass
class FakeSource:
    """A source of catalogues; `nulls` are columns that hold one."""

    tables: dict[str, SourceTable] = field(default_factory=dict)
    nulls: frozenset[str] = frozenset()
    asked: list[str] = field(default_factory=list)

    def catalogue(self, schema: str, table: str) -> SourceTable:
        if table.lower() not in self.tables:
            raise SourceSchemaError(f"Table '{schema}.{table}' is not in the source. Known: {', '.join(self.tables)}.")
        return self.tables[table.lower()]

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        import pyarrow as pa

        self.asked.append(sql)
        return pa.table({"n": [int(any(f'"{name}"' in sql for name in self.nulls))]})


@dataclass
class Played:
    """The result of one invocation."""

    code: int
    out: str
    err: str


@dataclass
class Stage:
    """Everything a test may set before it plays a command."""

    home: Path
    warehouse: FakeWarehouse = field(default_factory=FakeWarehouse)
    control: FakeControl = field(default_factory=FakeControl)
    source: FakeSource = field(default_factory=FakeSource)
    catalog: Mapping[str, TableSpec] | None = field(default_factory=lambda: CATALOG)
    tables_dir: Path | None = None
    closed: int = 0

    def settings(self, home: Path | None = None) -> Settings:
        secret = SecretStr(f"DRIVER=x;SERVER=s;UID=u;PWD={CANARY}")
        settings = Settings(home=home or self.home, source=SourceSettings(connection_string=secret))
        return settings if self.tables_dir is None else settings.model_copy(update={"tables_dir": self.tables_dir})

    def runtime(self) -> Runtime:
        def close() -> None:
            self.closed += 1

        def open_platform(settings: Settings, catalog: Mapping[str, TableSpec], pool: object = None) -> Platform:
            return cast("Platform", _Platform(settings, catalog, self.warehouse, self.control, close, self.source))

        def load(settings: Settings) -> Mapping[str, TableSpec]:
            return load_catalog(settings.tables_dir) if self.catalog is None else self.catalog

        return Runtime(self.settings, load, open_platform, now=lambda: NOW, starts_readers=False)

    def play(self, *arguments: str, runtime: Runtime | None = None) -> Played:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments, runtime or self.runtime())
            sys.stdout.flush()
        return Played(code, out.getvalue(), err.getvalue())


@dataclass
class _Platform:
    settings: Settings
    catalog: Mapping[str, TableSpec]
    warehouse: FakeWarehouse
    control: FakeControl
    close: Any
    source: FakeSource
