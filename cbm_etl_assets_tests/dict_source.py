"""A source that is a dictionary: rows in the test's hands, read through the same raw writer, hashes and high-water mark.

Stands at the Protocol seam of `source.port`. Predicates are evaluated here, independently of the SQL the real source is sent,
so the model test says what a range MEANS and the query tests say how it is written.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.metadata.badrow import BadRow
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.reliability.retry import Clockwork
from cbm_etl_assets.settings import LoadSettings, Settings
from cbm_etl_assets.source.extraction import HighWater, file_schema
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, Progress, ReadRange
from cbm_etl_assets.source.raw_writer import RawWriter
from cbm_etl_assets.transform.bad_rows import RowError, hash_rows
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry
from cbm_etl_assets_tests.line_fixture import source_table

START = dt.datetime(2026, 1, 10, 8)


@dataclass(frozen=True)
class Article:
    """A row of `article`, its key as spelled."""

    key: str
    label: str | None
    qte: Decimal
    modified: dt.datetime | None
    nb: int | None = None  # a column that may come and go
    bad: bool = False  # its label cannot be converted


def normal(key: str) -> str:
    """A key as OpenEdge compares it."""
    return key.rstrip(" ").lower()


def wanted(row: Article, asked: ReadRange) -> bool:
    """What `ReadRange` says, in Python."""
    if row.modified is None:
        return asked.include_nulls
    above = asked.lower is None or row.modified >= asked.lower
    return above and (asked.upper is None or row.modified < asked.upper)


@dataclass
class DictSource:
    """`rows` by normalised key. `at` is called on entering a seam and may raise there. `shape`: the catalogue, None = unchanged."""

    rows: dict[str, Article] = field(default_factory=dict)
    now: dt.datetime = START
    shape: SourceTable | None = None
    at: Callable[[str], None] = lambda _seam: None

    def clock(self) -> dt.datetime:
        self.at("clock")
        return self.now

    def table_names(self, schema: str) -> list[str]:
        return ["article"]

    def catalogue(self, schema: str, table: str) -> SourceTable:
        return source_table()

    def declared(self, spec: TableSpec) -> SourceTable | None:
        return self.shape

    def extract(self, request: ExtractRequest, progress: Progress | None = None) -> ExtractResult:
        self.at("probe" if request.keys is not None else "extract")
        spec = request.spec
        rows = self._named(request.keys.column(0).to_pylist()) if request.keys is not None else self._ranged(request.range)
        high_water = HighWater(spec, ZoneInfo("Europe/Paris"))
        bad: list[BadRow] = []
        with RawWriter(request.out_dir / f"part-{request.first_part:05d}.parquet", file_schema(spec)) as writer:
            # Two batches: a mark or a hash that depended on the batch would show.
            for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                batch = self._batch(spec, part)
                high_water.see(batch)
                hashed = hash_rows(RowTransform(spec, case_insensitive_keys=True), batch, self._misfits(spec, part))
                bad += hashed.bad
                writer.write(pa.RecordBatch.from_arrays([*batch.columns, hashed.key, hashed.diff], schema=file_schema(spec)))
            file = writer.finish()
        columns = [{"name": c.name, "type": c.type, "target": c.target_name} for c in spec.kept_columns]
        return ExtractResult((file,), len(rows), "SELECT", (), high_water.value, "dictionary", columns, bad=tuple(bad))

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        raise AssertionError(f"no statement is expected here: {sql}")

    def close(self) -> None:
        """Nothing is open."""

    def _named(self, keys: Sequence[str]) -> list[Article]:
        return [self.rows[k] for k in dict.fromkeys(map(normal, keys)) if k in self.rows]

    def _ranged(self, asked: ReadRange) -> list[Article]:
        return [row for row in self.rows.values() if wanted(row, asked)]

    @staticmethod
    def _misfits(spec: TableSpec, rows: Sequence[Article]) -> dict[int, RowError]:
        if not any(c.name == "Libelle" for c in spec.kept_columns):
            return {}
        error = RowError("Libelle", "ConversionError", "column 'Libelle': does not convert")
        return {i: error for i, row in enumerate(rows) if row.bad}

    @staticmethod
    def _batch(spec: TableSpec, rows: Sequence[Article]) -> pa.RecordBatch:
        values = {
            "cod_art": [r.key for r in rows], "gencod-v": [None] * len(rows), "Libelle": [None if r.bad else r.label for r in rows],
            "qte": [r.qte for r in rows], "dat_mod": [r.modified for r in rows], "nb": [r.nb for r in rows],
        }  # fmt: skip
        columns = spec.kept_columns
        schema = pa.schema([pa.field(c.name, c.source_logical.arrow()) for c in columns])
        return pa.RecordBatch.from_arrays([pa.array(values[c.name], schema.field(c.name).type) for c in columns], schema=schema)


def dict_platform(home: Path, *specs: TableSpec) -> tuple[Platform, DictSource]:
    """Real lake, DuckDB, control database and pipeline over a dictionary; waits cost nothing."""
    settings = Settings(home=home, load=LoadSettings(table_wait_seconds=20))
    source = DictSource()
    platform = Platform(
        settings=settings, catalog={s.name: s for s in specs}, source=source, lake=Lake.from_settings(settings),
        warehouse=registry.create(settings), control=ControlStore(settings), clockwork=Clockwork(sleep=lambda _seconds: None),
    )  # fmt: skip
    return platform, source
