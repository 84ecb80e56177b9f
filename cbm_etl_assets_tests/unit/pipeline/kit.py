"""A real line (lake, DuckDB, SQLite) behind a source that is an Arrow table: no server, every value in the test's hands."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, Progress
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets.warehouse import registry

T0 = dt.datetime(2026, 11, 21, 13, 0)


def raw_table(spec: TableSpec, rows: Sequence[Sequence[Any]]) -> pa.Table:
    types = [pa.string() if c.extent else c.source_logical.arrow() for c in spec.columns]
    return pa.table({c.name: pa.array([r[i] for r in rows], types[i]) for i, c in enumerate(spec.columns)})


@dataclass
class TableSource:
    """`rows` by table; answers to `query` come from `answers`, by a function of the statement."""

    settings: Settings
    tables: dict[str, pa.Table] = field(default_factory=dict)
    catalogues: dict[str, SourceTable] = field(default_factory=dict)
    answer: Callable[[str], pa.Table] | None = None
    now: Callable[[], dt.datetime] = lambda: T0
    extractions: int = 0

    def clock(self) -> dt.datetime:
        return self.now()

    def table_names(self, schema: str) -> list[str]:
        return sorted(self.catalogues)

    def catalogue(self, schema: str, table: str) -> SourceTable:
        return self.catalogues[table]

    def declared(self, spec: TableSpec) -> SourceTable | None:
        return None

    def extract(self, request: ExtractRequest, progress: Progress | None = None) -> ExtractResult:
        self.extractions += 1
        spec, table = request.spec, self.tables[request.spec.table].select([c.name for c in request.spec.kept_columns])
        key, diff = RowTransform(spec, case_insensitive_keys=True).hashes(table)
        path = request.out_dir / "part-00000.parquet"
        pq.write_table(table.append_column("_key_hash", key).append_column("_hashdiff", diff), path, write_page_checksum=True)
        content = path.read_bytes()
        file = RawFile(name=path.name, rows=table.num_rows, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        columns = [{"name": c.name, "type": c.type, "target": c.target_name} for c in spec.kept_columns]
        return ExtractResult((file,), table.num_rows, "SELECT", (), None, "test", columns)

    def query(self, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
        assert self.answer is not None
        return self.answer(sql)

    def close(self) -> None:
        """Nothing is open."""


def platform_of(home: Path, *specs: TableSpec) -> tuple[Platform, TableSource]:
    settings = Settings(home=home)
    source = TableSource(settings)
    platform = Platform(
        settings=settings, catalog={s.name: s for s in specs}, source=source, lake=Lake.from_settings(settings),
        warehouse=registry.create(settings), control=ControlStore(settings),
    )  # fmt: skip
    return platform, source


def load(platform: Platform, spec: TableSpec, mode: Mode = Mode.FULL) -> LoadResult:
    return load_table(platform, spec, LoadOptions(mode))
