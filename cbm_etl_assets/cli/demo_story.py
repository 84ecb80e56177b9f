"""The demo's story: a twin, an ERP, three kinds of loads through Dagster, and the proof that source = ODS.

Owns the order of the steps and the demo's own home. Everything it does is what a user's own tables go through; printing
is `cli.demo`'s.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cbm_etl_assets.cli.runtime import with_twin_warehouse
from cbm_etl_assets.errors import BusyError, ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.pipeline.compare import Comparison
    from cbm_etl_assets.pipeline.results import LoadResult, OnEvent
    from cbm_etl_assets.settings import Settings
    from cbm_etl_assets.twin.handle import TwinHandle

# The table whose partition of yesterday is changed behind the incremental's back, then backfilled.
BACKFILLED = "produit"
LATE_ROWS = 5
# The demo's partitions begin that many days ago. A first full load reports every partition to Dagster, which costs its
# SQLite storage 15 to 60 ms each (measured idle and busy): 325 days x 6 tables x 3 layers would be half of the demo.
PARTITION_DAYS = 45
KEPT = ("twin", "dagster", "logs", "demo.lock")  # what a new demo finds again: the server, the runs shown by the UI
Say = Callable[[str], None]


@dataclass(frozen=True)
class Act:
    """One load of the story: `step` is full, incremental or backfill."""

    step: str
    result: LoadResult


@dataclass
class Story:
    """What happened, for the final table."""

    home: Path
    acts: list[Act] = field(default_factory=list)
    proofs: dict[str, Comparison] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def failed(self) -> list[LoadResult]:
        return [act.result for act in self.acts if act.result.status.value != "success"]

    @property
    def proven(self) -> bool:
        return bool(self.proofs) and not self.failed and all(proof.equal for proof in self.proofs.values())


def demo_settings(settings: Settings) -> Settings:
    """A home of its own under CBM_HOME, with tables and default stores of its own: a demo never touches real data.

    A warehouse on a server stays the one of the settings: `Teller` empties it, when nobody but a demo has filled it.
    """
    from cbm_etl_assets.settings import ControlSettings, Environment, LakeSettings, SourceSettings, WarehouseSettings

    home = settings.home / "demo"
    warehouse = WarehouseSettings() if settings.warehouse.kind == WarehouseSettings().kind else settings.warehouse
    return settings.model_copy(
        update={
            "home": home, "tables_dir": home / "tables", "env": Environment.DEV, "source": SourceSettings(),
            "warehouse": warehouse, "control": ControlSettings(), "lake": LakeSettings(),
        }
    )  # fmt: skip


@contextlib.contextmanager
def alone(home: Path) -> Iterator[None]:
    """One demo at a time in a home. Raises: BusyError while another one lives."""
    from cbm_etl_assets.reliability.process import is_dead, process_owner

    home.mkdir(parents=True, exist_ok=True)
    lock = home / "demo.lock"
    if lock.exists() and is_dead(lock.read_text(encoding="utf-8") or ":0:"):
        lock.unlink()
    try:
        descriptor = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        raise BusyError(f"Another demo runs in {home}.", remedy=f"wait for it; if none runs, remove {lock}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(process_owner("demo"))
        yield
    finally:
        lock.unlink(missing_ok=True)


def clear(home: Path) -> None:
    """Remove what an earlier demo loaded; the twin's server, Dagster's runs and the logs stay."""
    for path in home.iterdir():
        if path.name in KEPT:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def copy_tables(folder: Path, today: dt.date) -> None:
    """The packaged specs, their partitions beginning PARTITION_DAYS ago."""
    from cbm_etl_assets.metadata.catalog import load_catalog
    from cbm_etl_assets.metadata.writer import write_spec
    from cbm_etl_assets.settings import PACKAGE_DIR

    start = today - dt.timedelta(days=PARTITION_DAYS)
    for spec in load_catalog(PACKAGE_DIR / "tables").values():
        partition = spec.partition.model_copy(update={"start": start}) if spec.partition else None
        write_spec(spec.model_copy(update={"partition": partition}), folder)


def empty_warehouse(settings: Settings) -> None:
    """Raises: ConfigurationError where the server's database is not a demo's. A DuckDB file went with the home."""
    from cbm_etl_assets.settings import WarehouseSettings
    from cbm_etl_assets.warehouse import registry
    from cbm_etl_assets.warehouse.port import Disposable

    if settings.warehouse.kind == WarehouseSettings().kind:
        return
    with contextlib.closing(registry.create(settings)) as warehouse:
        if not isinstance(warehouse, Disposable):
            raise ConfigurationError(
                f"The demo does not fill a {settings.warehouse.kind} warehouse.", remedy="unset CBM_WAREHOUSE__KIND, or set postgresql"
            )
        warehouse.start_over()


@contextlib.contextmanager
def twin_of(home: Path, *, keep: bool, zone: str) -> Iterator[TwinHandle]:
    """The running twin of the demo's home, or a new one that ends with the demo unless `keep`."""
    from cbm_etl_assets.twin import server

    found = server.status(home)
    if found is not None:
        yield found
        return
    handle = server.start(home, zone=zone)
    try:
        yield handle
    finally:
        if not keep:
            server.stop(home)


@dataclass
class Teller:
    """Runs the story. `now` is UTC; `clock` measures."""

    settings: Settings
    say: Say
    on_event: OnEvent | None = None
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    clock: Callable[[], float] = time.monotonic

    def tell(self, *, keep: bool = False) -> Story:
        began = self.clock()
        home = self.settings.home
        story = Story(home)
        with alone(home):
            clear(home)
            with twin_of(home, keep=keep, zone=self.settings.source.timezone) as handle:
                self.say(f"1/6 twin: an OpenEdge-like server on port {handle.port}")
                self._play(handle, story)
        story.seconds = self.clock() - began
        return story

    def _play(self, handle: TwinHandle, story: Story) -> None:
        from pydantic import SecretStr

        from cbm_etl_assets.metadata.catalog import load_catalog

        source = self.settings.source.model_copy(update={"connection_string": SecretStr(handle.odbc), "timezone": handle.zone})
        settings = with_twin_warehouse(self.settings.model_copy(update={"source": source}), handle)
        empty_warehouse(settings)
        copy_tables(settings.tables_dir, self._source_now(handle).date())
        catalog = load_catalog(settings.tables_dir)
        self._generate(handle)
        self._loads(handle, settings, catalog, story)
        if not story.failed:
            self._prove(settings, catalog, story)

    def _source_now(self, handle: TwinHandle) -> dt.datetime:
        return self.now().astimezone(ZoneInfo(handle.zone)).replace(tzinfo=None, microsecond=0)

    def _generate(self, handle: TwinHandle) -> None:
        from cbm_etl_assets.twin.erp.load import load_erp

        handle.clear_faults()
        began = self.clock()
        with handle.pg(autocommit=False) as conn:
            rows = load_erp(conn, "demo", today=self._source_now(handle).date())
        self.say(f"2/6 source: {sum(rows.values())} rows in {len(rows)} tables of a French ERP, {self.clock() - began:.1f} s")

    def _loads(self, handle: TwinHandle, settings: Settings, catalog: Mapping[str, TableSpec], story: Story) -> None:
        from cbm_etl_assets.orchestration.home import open_instance
        from cbm_etl_assets.orchestration.launch import LaunchOptions, run_tables
        from cbm_etl_assets.pipeline.results import Mode

        with open_instance(settings) as instance:

            def load(step: str, specs: list[TableSpec], mode: Mode, partitions: tuple[str, ...] = ()) -> None:
                began = self.clock()
                options = LaunchOptions(mode=mode, partitions=partitions, on_event=self.on_event, tags={"demo": step})
                results = run_tables(instance, settings, catalog, specs, options)
                story.acts += [Act(step, result) for result in results]
                self.say(f"{step}: {len(results)} tables through Dagster, {self.clock() - began:.1f} s")

            load("3/6 full", list(catalog.values()), Mode.FULL)
            self._change(handle, percent=1.0, inserts=0.1)
            load("4/6 incremental", list(catalog.values()), Mode.INCREMENTAL)
            self._change(handle, percent=0.0, inserts=0.0, late_rows=LATE_ROWS, tables=[BACKFILLED])
            yesterday = self._source_now(handle).date() - dt.timedelta(days=1)
            load("5/6 backfill", [catalog[BACKFILLED]], Mode.PARTITION, (yesterday.isoformat(),))

    def _change(self, handle: TwinHandle, *, percent: float, inserts: float, late_rows: int = 0, tables: list[str] | None = None) -> None:
        from cbm_etl_assets.twin.erp.mutate import Mutation, mutate

        with handle.pg(autocommit=False) as conn:
            what = Mutation(percent=percent, inserts=inserts, late_rows=late_rows)
            report = mutate(conn, what, now=self._source_now(handle), tables=tables)
        changed = sum(len(t.changed) for t in report.tables.values())
        kind = f"in yesterday's partition of {tables[0]}" if tables else f"in {len(report.tables)} tables"
        self.say(f"    source: {changed} rows changed or inserted {kind}")

    def _prove(self, settings: Settings, catalog: Mapping[str, TableSpec], story: Story) -> None:
        from cbm_etl_assets.pipeline.compare import compare
        from cbm_etl_assets.pipeline.platform import open_platform

        began = self.clock()
        platform = open_platform(settings, catalog)
        try:
            story.proofs = {spec.name: compare(platform, spec) for spec in catalog.values()}
        finally:
            platform.close()
        verdict = "equal" if story.proven else "DIFFERENT"
        self.say(f"6/6 proof: every row of source and ODS read again and compared: {verdict}, {self.clock() - began:.1f} s")
