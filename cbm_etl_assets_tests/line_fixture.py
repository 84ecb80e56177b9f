"""A whole line on a small table: the twin's `article` in, DuckDB out, with an independent comparison of both ends.

`Line` changes the source as an application would (psycopg, behind the proxy's back), loads through the real core, and reads
the source and ODS by ways of its own: neither our counters nor our hashes take part in `assert_equal`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets.settings import LoadSettings, Settings, SourceSettings, WarehouseSettings
from cbm_etl_assets_tests.specs import make_spec

if TYPE_CHECKING:
    from cbm_etl_assets.twin.handle import TwinHandle

TABLE = "article"
COLUMNS = ("cod_art", "gencod-v", "Libelle", "qte", "dat_mod")
ODS_COLUMNS = ("cod_art", "gencod_v", "Libelle", "qte", "dat_mod")


def _type(text: str) -> LogicalType:
    return LogicalType.parse(text)


def source_table(width: int = 30) -> SourceTable:
    return SourceTable(
        name=TABLE,
        columns=(
            SourceColumn("cod_art", _type("varchar(12)"), "character", mandatory=True, sql_width=12, order=10),
            SourceColumn("gencod-v", _type("varchar(20)"), "character", sql_width=20, order=20),
            SourceColumn("Libelle", _type(f"varchar({width})"), "character", sql_width=width, order=30),
            SourceColumn("qte", _type("decimal(12,3)"), "decimal", order=40),
            SourceColumn("dat_mod", _type("timestamp"), "datetime", order=50),
        ),
        indexes=(SourceIndex("i_art", ("cod_art",), unique=True, primary=True), SourceIndex("i_mod", ("dat_mod",))),
    )


def article_spec(**changes: Any) -> TableSpec:
    return make_spec(**({
        "table": TABLE,
        "primary_key": ["cod_art"],
        "cursor": {"columns": ["dat_mod"], "lookback": "2h"},
        "partition": {"start": "2026-01-01"},
        "columns": [
            {"name": "cod_art", "type": "varchar(12)", "sql_width": 12},
            {"name": "gencod-v", "type": "varchar(20)", "sql_width": 20},
            {"name": "Libelle", "type": "varchar(30)", "sql_width": 30},
            {"name": "qte", "type": "decimal(12,3)"},
            {"name": "dat_mod", "type": "timestamp"},
        ],
    } | changes))  # fmt: skip


@dataclass
class Line:
    twin: TwinHandle
    home: Path
    spec: TableSpec = field(default_factory=article_spec)
    source_options: dict[str, Any] = field(default_factory=dict)
    warehouse: WarehouseSettings = field(default_factory=WarehouseSettings)

    def settings(self) -> Settings:
        source = SourceSettings.model_validate(
            {"connection_string": self.twin.odbc, "retry_delay_seconds": 0.05, "stall_timeout_seconds": 30} | self.source_options
        )
        return Settings(home=self.home, source=source, load=LoadSettings(table_wait_seconds=20), warehouse=self.warehouse)

    @cached_property
    def platform(self) -> Platform:
        """One for the whole test: its reader process is started once (0.7 s of imports)."""
        return open_platform(self.settings(), {self.spec.name: self.spec})

    def load(self, mode: Mode = Mode.AUTO, *partitions: str) -> LoadResult:
        return load_table(self.platform, self.spec, LoadOptions(mode, partitions))

    def close(self) -> None:
        if "platform" in self.__dict__:
            self.platform.close()

    # -- the source, behind the proxy's back --------------------------------------------------------------------------

    def create(self, rows: int = 0, *, width: int = 30) -> None:
        from cbm_etl_assets.twin import store

        with self.twin.pg() as conn:
            store.create_table(conn, source_table(width))
        self.execute(
            "INSERT INTO pub.article SELECT 'A' || lpad(g::text, 5, '0'), 'g' || g, 'libellé ' || g, g / 8.0, "
            "timestamp '2026-01-01' + g * interval '1 hour' FROM generate_series(1, %s) g",
            rows,
        )

    def execute(self, sql: str, *parameters: object) -> int:
        with self.twin.pg() as conn:
            return conn.execute(sql, parameters).rowcount  # type: ignore[arg-type]

    def put(self, key: str, label: str | None, modified: dt.datetime | None) -> None:
        self.execute("DELETE FROM pub.article WHERE cod_art = %s", key)
        self.execute("INSERT INTO pub.article VALUES (%s, NULL, %s, 1, %s)", key, label, modified)

    # -- the comparison -----------------------------------------------------------------------------------------------

    def source_rows(self) -> list[tuple[Any, ...]]:
        with self.twin.pg() as conn:
            listed = ", ".join(f'"{c}"' for c in COLUMNS)
            return sorted(conn.execute(f"SELECT {listed} FROM pub.article").fetchall(), key=repr)  # type: ignore[call-overload]

    def ods_rows(self) -> list[tuple[Any, ...]]:
        listed = ", ".join(f'"{c}"' for c in ODS_COLUMNS)
        return sorted(self.platform.warehouse.query(f"SELECT {listed} FROM ods.article WHERE _deleted_at IS NULL").rows, key=repr)

    def assert_equal(self) -> None:
        assert self.ods_rows() == self.source_rows()

    def leftovers(self) -> list[str]:
        """Temporary raw folders and staging tables: none may outlive a load."""
        raw = self.home / "lake" / "raw" / self.spec.name
        found = [p.name for p in raw.glob("*") if not (p / "manifest.json").exists()] if raw.exists() else []
        return found + self.platform.warehouse.left_over()


@pytest.fixture
def line(clean_twin: TwinHandle, tmp_path: Path) -> Iterator[Line]:
    made = Line(clean_twin, tmp_path)
    made.create(200)
    try:
        yield made
    finally:
        made.close()
