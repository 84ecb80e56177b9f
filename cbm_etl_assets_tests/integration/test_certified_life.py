"""Rounds of mutation with history on, then `cbm-etl verify --all`: the seven ERP tables, and a sports2000 that lives on.

The certificate must say equal, with nothing pending, and a comparison that shares no code with it must agree. CI: a few rounds.
Nightly (HYPOTHESIS_PROFILE=nightly): ten.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection, sql

from cbm_etl_assets.cli.app import main
from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.dumpfolder import load_dump_folder
from cbm_etl_assets.metadata.propose import propose_spec
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.pipeline.batch import load_tables
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, Mode, Status
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.twin.erp.draw import World
from cbm_etl_assets.twin.erp.load import load_world
from cbm_etl_assets.twin.erp.mutate import Mutation
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS
from cbm_etl_assets.twin.erp.specs import erp_specs
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.twin.load import load_dump_folder_into_twin
from cbm_etl_assets_tests.integration.test_erp_line import Erp
from cbm_etl_assets_tests.integration.test_random_life import FAULTS
from cbm_etl_assets_tests.unit.metadata.dumps import ROOT, needs_real_dumps

pytestmark = [pytest.mark.integration, pytest.mark.slow]
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
ROUNDS, ROWS = (10, 300) if NIGHTLY else (2, 80)
TODAY = dt.date(2026, 1, 31)


def with_history(spec: TableSpec) -> TableSpec:
    return TableSpec.model_validate(spec.model_dump(exclude_unset=True) | {"history": bool(spec.primary_key)})


def platform_on(twin: TwinHandle, home: Path, specs: Sequence[TableSpec]) -> Platform:
    settings = Settings(home=home, source=SourceSettings.model_validate({"connection_string": twin.odbc}))
    return open_platform(settings, {spec.name: spec for spec in specs})


def assert_certified(platform: Platform) -> None:
    """`cbm-etl verify --all --json` ends 0, and every table of it is equal with nothing pending."""
    out = io.StringIO()
    runtime = Runtime(lambda _: platform.settings, lambda _: dict(platform.catalog), lambda *_: platform)
    close = platform.close
    object.__setattr__(platform, "close", lambda: None)  # the test ends it, not the command
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            code = main(("verify", "--all", "--json"), runtime)
    finally:
        object.__setattr__(platform, "close", close)
    tables = json.loads(out.getvalue())["tables"]
    verdicts = {t["table"]: (t["status"], t.get("differences"), t.get("keys", {}).get("pending")) for t in tables}
    assert {name: v for name, v in verdicts.items() if v != ("equal", [], 0)} == {}
    assert (code, len(verdicts)) == (0, len(platform.catalog))


def assert_history(platform: Platform) -> None:
    for spec in platform.catalog.values():
        if spec.history:
            assert (
                platform.warehouse.query(FAULTS.replace("ods.article", f'ods."{spec.name}"').replace('"_history', '_history"')).rows == []
            )


def load(platform: Platform, mode: Mode) -> None:
    specs = [s for s in platform.catalog.values() if mode is not Mode.SWEEP or s.primary_key]
    done = load_tables(platform, specs, LoadOptions(mode), threads=2)
    assert {r.table: r.error_message for r in done if r.status is not Status.SUCCESS} == {}


def test_the_erp_is_certified_after_rounds_of_mutation(clean_twin: TwinHandle, tmp_path: Path) -> None:
    """Updates, inserts, deletes, late rows and dirty reads in each round; incremental, sweep and full loads take turns."""
    with clean_twin.pg() as conn:
        load_world(conn, World(seed=5, counts=dict.fromkeys(BLUEPRINTS, ROWS), today=TODAY))
    platform = platform_on(clean_twin, tmp_path, [with_history(spec) for spec in erp_specs()])
    erp = Erp(clean_twin, platform, {})
    try:
        load(platform, Mode.FULL)
        for number in range(ROUNDS):
            what = Mutation(percent=3, inserts=1.5, deletes=1.5, late_rows=2, dirty=2, seed=number)
            report = erp.mutate(what, dt.datetime(2026, 2, 1 + number, 14, 5, 9))
            load(platform, Mode.INCREMENTAL)
            with clean_twin.pg() as conn:
                assert report.undo(conn) == 2 * len(BLUEPRINTS)
            load(platform, Mode.INCREMENTAL)
            load(platform, Mode.SWEEP)
            assert_history(platform)
        load(platform, Mode.FULL)
        erp.assert_equal()
        assert_history(platform)
        assert_certified(platform)
    finally:
        platform.close()


# -- sports2000, changed by somebody who knows only its catalogue ---------------------------------------------------------


@dataclass
class Life:
    """Generic changes of one table: a row plays one part a round."""

    conn: Connection[Any]
    table: SourceTable
    draw: random.Random

    def __post_init__(self) -> None:
        self.name = sql.Identifier(self.table.name)
        self.unique = {c.lower() for index in self.table.indexes if index.unique for c in index.columns}

    def round(self) -> None:
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in self.table.columns)
        found = self.conn.execute(sql.SQL("SELECT ctid::text, {} FROM pub.{}").format(names, self.name)).fetchall()
        rows = sorted(found, key=lambda row: repr(row[1:]))
        self.draw.shuffle(rows)
        part = max(1, len(rows) // 20)
        for row in rows[:part]:
            self.change(row)
        for row in rows[part : 2 * part]:
            self.copy(row)
        for row in rows[2 * part : 3 * part] if len(rows) > 10 else []:
            self.conn.execute(sql.SQL("DELETE FROM pub.{} WHERE ctid = %s::tid").format(self.name), (row[0],))

    def change(self, row: tuple[Any, ...]) -> None:
        free = [(c, v) for c, v in zip(self.table.columns, row[1:], strict=True) if c.name.lower() not in self.unique]
        for column, value in self.draw.sample(free, min(3, len(free))):
            changed = sql.SQL("UPDATE pub.{} SET {} = %s WHERE ctid = %s::tid RETURNING ctid::text")
            new = self.conn.execute(changed.format(self.name, sql.Identifier(column.name)), (self.other(column, value), row[0])).fetchone()
            assert new is not None
            row = (new[0], *row[1:])

    def copy(self, row: tuple[Any, ...]) -> None:
        values = [self.fresh(c) if c.name.lower() in self.unique else v for c, v in zip(self.table.columns, row[1:], strict=True)]
        marks = sql.SQL(", ").join([sql.Placeholder()] * len(values))
        self.conn.execute(sql.SQL("INSERT INTO pub.{} VALUES ({})").format(self.name, marks), values)

    def other(self, column: SourceColumn, value: Any) -> Any:
        """Another value of the column, now and then none at all."""
        if value is not None and self.draw.random() < 0.2 and not column.mandatory:
            return None
        if column.extent:
            return ";".join(reversed(str(value).split(";"))) if value else value
        return self.fresh(column)

    def fresh(self, column: SourceColumn) -> Any:
        kind, draw = column.type.kind, self.draw
        if kind is Kind.VARCHAR:
            return "".join(draw.choices(string.ascii_letters + " é;?~", k=min(8, column.sql_width or 8))) + (
                "x" if not column.sql_width else ""
            )
        made: dict[Kind, Any] = {
            Kind.INTEGER: draw.randrange(10**8), Kind.BIGINT: draw.randrange(10**15), Kind.BOOLEAN: draw.random() < 0.5,
            Kind.DECIMAL: Decimal(draw.randrange(10**6)) / 100, Kind.DATE: dt.date(1990, 1, 1) + dt.timedelta(days=draw.randrange(20_000)),
            Kind.BINARY: draw.randbytes(20),
        }  # fmt: skip
        return made[kind]


@pytest.fixture
def sports(clean_twin: TwinHandle, tmp_path: Path) -> Iterator[tuple[Platform, list[SourceTable]]]:
    folder = ROOT / "sports2000"
    load_dump_folder_into_twin(clean_twin, folder)
    tables = [dumped.table for dumped in load_dump_folder(folder).tables]
    platform = platform_on(clean_twin, tmp_path, [with_history(propose_spec(table)) for table in tables])
    yield platform, tables
    platform.close()


@needs_real_dumps
def test_sports2000_is_certified_after_rounds_of_mutation(sports: tuple[Platform, list[SourceTable]], clean_twin: TwinHandle) -> None:
    platform, tables = sports
    draw = random.Random(2000)
    load(platform, Mode.FULL)
    for _ in range(ROUNDS):
        with clean_twin.pg() as conn:
            for table in tables:
                Life(conn, table, draw).round()
        load(platform, Mode.AUTO)
        assert_history(platform)
    load(platform, Mode.FULL)
    assert_certified(platform)
    counts = clean_twin.row_counts()
    stored = {spec.table: platform.warehouse.query(f'SELECT count(*) FROM ods."{spec.name}" WHERE NOT _is_deleted').rows[0][0]
              for spec in platform.catalog.values()}  # fmt: skip
    assert stored == {name: counts[name] for name in stored}
    assert sum(counts.values()) > 8_000
    versions = platform.warehouse.query('SELECT count(*) FROM ods."Item_history" WHERE _valid_to IS NOT NULL').rows[0][0]
    assert isinstance(versions, int)
    assert versions >= ROUNDS
