"""A small table that holds everything the dialect tests need."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import polars as pl

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.twin import store
from cbm_etl_assets.twin.handle import TwinHandle


def column(name: str, type_text: str, abl: str, extent: int = 0, mandatory: bool = False, width: int | None = None) -> SourceColumn:
    return SourceColumn(name, LogicalType.parse(type_text), abl, extent=extent, mandatory=mandatory, sql_width=width, label=name.title())


CLIENT = SourceTable(
    "Client",
    (
        column("cod_cli", "integer", "integer", mandatory=True),
        column("Nom", "varchar(20)", "character", width=20),
        column("gencod-v", "varchar(13)", "character", width=13),
        column("actif", "boolean", "logical"),
        column("px_vte", "decimal(12,2)", "decimal", extent=5, width=95),
        column("solde", "decimal(12,2)", "decimal"),
        column("date", "date", "date"),
        column("dat_mod", "timestamp", "datetime"),
        column("vu_le", "timestamptz", "datetime-tz"),
        column("photo", "binary", "blob"),
        column("notes", "varchar", "clob"),
        column("uniq", "bigint", "int64"),
    ),
    (SourceIndex("par-nom", ("Nom",), primary=True), SourceIndex("pk-cli", ("cod_cli",), unique=True)),
    label="Clients",
    description="Les clients",
    dump_name="client",
)


def rows(count: int) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "COD_CLI": list(range(1, count + 1)),
            "nom": [f"Nom é {i}" for i in range(1, count + 1)],
            "gencod-v": [None if i % 3 == 0 else "" if i % 3 == 1 else f"{i:013d}" for i in range(1, count + 1)],
            "actif": [None if i % 5 == 0 else i % 2 == 0 for i in range(1, count + 1)],
            "px_vte": [f"123.45;0.00;?;-2.00;{i}.00" for i in range(1, count + 1)],
            "solde": [Decimal(i) / 4 for i in range(1, count + 1)],
            "date": [dt.date(2024, 1, 1) + dt.timedelta(days=i) for i in range(count)],
            "dat_mod": [dt.datetime(2024, 1, 1, 12, 0, 0, 500_000) + dt.timedelta(hours=i) for i in range(count)],
            "vu_le": [dt.datetime(2024, 3, 31, 0, 30, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(count)],
            "photo": [None if i % 2 else bytes([0, 255, i % 256]) for i in range(1, count + 1)],
            "notes": [None if i % 2 else "x" * 50 for i in range(1, count + 1)],
            "uniq": [9_000_000_000_000_000_000 - i for i in range(1, count + 1)],
        },
        schema_overrides={"cod_cli": pl.Int32},
    )


def load(twin: TwinHandle, count: int, table: SourceTable = CLIENT) -> None:
    with twin.pg() as conn:
        store.create_table(conn, table)
        assert store.copy_rows(conn, table, rows(count)) == count
