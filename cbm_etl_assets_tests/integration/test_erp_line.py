"""The seven ERP tables through the line: full, a counted mutation, incremental, late rows, a month's backfill in any order.

Source and ODS are compared by psycopg and DuckDB with the masks and arrays the specs declare, written out here once more;
neither our counters nor our hashes take part in it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from psycopg import sql

from cbm_etl_assets.metadata.partitions import partition_keys
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.pipeline.batch import load_tables
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode, Status
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.twin.erp.draw import World
from cbm_etl_assets.twin.erp.load import load_world
from cbm_etl_assets.twin.erp.mutate import Mutation, MutationReport, mutate
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS
from cbm_etl_assets.twin.erp.specs import erp_specs
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.twin_fixture import drop_all

pytestmark = pytest.mark.integration
TODAY = dt.date(2026, 1, 31)  # so that January is the last month of the data and 2026-01-01, the first partition, takes the years before
ROWS = 300
DAY_BY_DAY = "hisprixa"
Key = tuple[Any, ...]
Row = tuple[Any, ...]

ELEMENTS: dict[str, Callable[[str], Any]] = {"decimal": Decimal, "integer": int, "varchar": str}
MASKS: dict[str, Callable[[str], str]] = {
    "hash": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "partial": lambda text: f"{text[:1]}***{text[-1:]}",
    "redact": lambda text: "***",
}


@dataclass
class Erp:
    twin: TwinHandle
    platform: Platform
    first: dict[str, LoadResult]

    @property
    def specs(self) -> list[TableSpec]:
        return list(self.platform.catalog.values())

    def load(self, mode: Mode, *partitions: str, only: Sequence[str] = ()) -> dict[str, LoadResult]:
        chosen = [spec for spec in self.specs if not only or spec.name in only]
        done = load_tables(self.platform, chosen, LoadOptions(mode, partitions), threads=2)
        assert {r.table: r.error_message for r in done if r.status is not Status.SUCCESS} == {}
        return {result.table: result for result in done}

    def mutate(self, what: Mutation, now: dt.datetime, tables: Sequence[str] | None = None) -> MutationReport:
        with self.twin.pg() as conn:
            return mutate(conn, what, now=now, tables=tables)

    def source(self, spec: TableSpec) -> dict[Key, dict[str, Any]]:
        """Source rows by key, as ODS should hold them."""
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in spec.columns)
        with self.twin.pg() as conn:
            rows = conn.execute(sql.SQL("SELECT {} FROM pub.{}").format(names, sql.Identifier(spec.table))).fetchall()
        return by_key(spec, [{k: v for c, value in zip(spec.columns, row, strict=True) for k, v in declared(c, value)} for row in rows])

    def ods(self, spec: TableSpec) -> dict[Key, dict[str, Any]]:
        names = [name for column in spec.columns for name in column.target_names]
        listed = ", ".join(f'"{name}"' for name in names)
        rows = self.query(f"SELECT {listed} FROM ods.{spec.name} WHERE NOT _is_deleted")
        return by_key(spec, [dict(zip(names, row, strict=True)) for row in rows])

    def query(self, statement: str) -> list[Row]:
        with duckdb.connect(str(self.platform.settings.warehouse_path), read_only=True) as conn:
            return conn.execute(statement).fetchall()

    def assert_equal(self, *tables: str) -> None:
        for spec in self.specs:
            if not tables or spec.name in tables:
                found, wanted = self.ods(spec), self.source(spec)
                assert sorted(found.keys() ^ wanted.keys())[:5] == [], spec.name
                assert [(key, d) for key in wanted if (d := different(found[key], wanted[key]))][:3] == [], spec.name

    def stamps(self, spec: TableSpec) -> dict[Key, list[dt.date | None]]:
        """The cursor's values of every source row."""
        columns = spec.cursor.columns if spec.cursor else ()
        return {key: [row[c] for c in columns] for key, row in self.source(spec).items()}

    def watermark(self, spec: TableSpec) -> dt.date:
        return max(day for days in self.stamps(spec).values() for day in days if day)

    def due(self, spec: TableSpec, watermark: dt.date) -> set[Key]:
        """What an incremental must read: any stamp from the day before the watermark on, or no stamp at all."""
        since = watermark - dt.timedelta(days=1)
        return {key for key, days in self.stamps(spec).items() if not any(days) or any(day and day >= since for day in days)}

    def written(self, result: LoadResult, spec: TableSpec) -> set[Key]:
        """Keys of the rows a load wrote."""
        listed = ", ".join(spec.key_targets)
        return set(self.query(f"SELECT {listed} FROM ods.{spec.name} WHERE _load_seq = {result.seq}"))


def by_key(spec: TableSpec, rows: list[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    found = {tuple(row[k] for k in spec.key_targets): row for row in rows}
    assert len(found) == len(rows), spec.name
    return found


def declared(column: ColumnSpec, value: Any) -> Iterator[tuple[str, Any]]:
    """The ODS columns of one source value: an array's elements, a mask's text."""
    if column.extent:
        elements = re.findall(r"(?:~.|[^;~])+|(?<=;)(?=;|$)|^(?=;|$)", value) if value is not None else [None] * column.extent
        assert len(elements) == column.extent, (column.name, value)
        for name, text in zip(column.target_names, elements, strict=True):
            yield name, None if text in (None, "?") else ELEMENTS[column.logical.kind](re.sub("~(.)", r"\1", text))
    elif column.mask and value is not None:
        yield column.target_name, MASKS[column.mask](value)
    else:
        yield column.target_name, value


def different(found: dict[str, Any], wanted: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Types count: 1, True and Decimal(1) are equal in Python."""
    return [(n, found[n], wanted[n]) for n in wanted if (type(found[n]), found[n]) != (type(wanted[n]), wanted[n])]


def open_erp(twin: TwinHandle, home: Path) -> Platform:
    source = SourceSettings.model_validate({"connection_string": twin.odbc})
    return open_platform(Settings(home=home, source=source), {spec.name: spec for spec in erp_specs()})


@pytest.fixture(scope="module")
def generated(twin: TwinHandle) -> Iterator[TwinHandle]:
    with twin.pg() as conn:
        load_world(conn, World(seed=11, counts=dict.fromkeys(BLUEPRINTS, ROWS), today=TODAY))
    yield twin
    drop_all(twin)


@pytest.fixture(scope="module")
def erp(generated: TwinHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erp]:
    made = Erp(generated, open_erp(generated, tmp_path_factory.mktemp("erp")), {})
    made.first.update(made.load(Mode.FULL))
    yield made
    made.platform.close()


def test_a_full_load_of_seven_tables_equals_the_source(erp: Erp) -> None:
    assert {name: (r.outcome.read, r.outcome.inserted) for name, r in erp.first.items()} == dict.fromkeys(BLUEPRINTS, (ROWS, ROWS))
    erp.assert_equal()
    for spec in erp.specs:
        mark = erp.first[spec.name].watermark
        assert (mark and mark.date()) == (erp.watermark(spec) if spec.cursor else None), spec.name


@pytest.mark.parametrize(("day", "late"), [(2, 0), (3, 4)])
def test_an_incremental_brings_exactly_what_changed(erp: Erp, day: int, late: int) -> None:
    """The second one with rows that were stamped behind the watermark of the first."""
    before = {spec.name: erp.watermark(spec) for spec in erp.specs if spec.cursor}
    report = erp.mutate(Mutation(percent=1, inserts=0.4, late_rows=late, seed=day), dt.datetime(2026, 2, day, 14, 5, 9)).tables
    results = erp.load(Mode.INCREMENTAL)
    for spec in erp.specs:
        changed, result = report[spec.name], results[spec.name]
        assert len(changed.changed) >= 4 + (late if spec.cursor else 0), spec.name
        assert result.mode is (Mode.INCREMENTAL if spec.cursor else Mode.FULL)
        assert result.outcome.read == len(erp.due(spec, before.get(spec.name, TODAY))), spec.name
        assert result.outcome.read == result.outcome.accounted
        assert (result.outcome.inserted, result.outcome.updated) == (len(changed.inserted), len(changed.updated | changed.late)), spec.name
        assert erp.written(result, spec) == changed.changed, spec.name
    assert results["stock"].outcome.read < ROWS / 2
    erp.assert_equal()


def test_an_incremental_after_it_finds_nothing_new(erp: Erp) -> None:
    for name, result in erp.load(Mode.INCREMENTAL).items():
        assert (result.outcome.inserted, result.outcome.updated) == (0, 0), name


def test_a_month_backfilled_in_random_order_twice_is_the_full_state(generated: TwinHandle, tmp_path: Path) -> None:
    """Updates after the fact included: between the two passes rows move from one partition to another."""
    erp = Erp(generated, open_erp(generated, tmp_path), {})
    try:
        dated = [spec.name for spec in erp.specs if spec.partition]
        read = 0
        for turn in range(2):
            for only, keys in shuffled(erp, dated, turn):
                done = erp.load(Mode.PARTITION, *keys, only=only)
                read += sum(r.outcome.read for r in done.values()) if keys[0] != "2026-01-01" else 0
                assert {r.watermark for r in done.values()} == {None}
            if turn == 0:
                erp.mutate(Mutation(percent=3, inserts=1, seed=99), dt.datetime(2026, 1, 15, 10), dated)
        assert read > 100  # the ranges of the month are not empty
        erp.assert_equal(*dated)
        for name, result in erp.load(Mode.FULL, only=dated).items():
            outcome = result.outcome
            assert (outcome.inserted, outcome.updated, outcome.deleted, outcome.unchanged) == (0, 0, 0, outcome.read), name
    finally:
        erp.platform.close()


def shuffled(erp: Erp, dated: list[str], turn: int) -> list[tuple[list[str], list[str]]]:
    """(tables, adjacent days) covering the month: one table day by day first and in ranges then, the others in ranges."""
    order, partition = random.Random(turn), erp.platform.catalog[DAY_BY_DAY].partition
    assert partition
    last = max(erp.watermark(erp.platform.catalog[name]) for name in dated)
    keys = list(partition_keys(partition, dt.date(2026, 1, 1), last))
    assert len(keys) >= 31

    def pieces(tables: list[str], number: int) -> list[tuple[list[str], list[str]]]:
        cuts = [0, *sorted(order.sample(range(1, len(keys)), number - 1)), len(keys)]
        return [(tables, keys[a:b]) for a, b in pairwise(cuts)]

    work = pieces([DAY_BY_DAY], len(keys) if turn == 0 else 8) + pieces([n for n in dated if n != DAY_BY_DAY], 3)
    order.shuffle(work)
    return work
