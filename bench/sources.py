"""The tables of the benchmark, in plain PostgreSQL: two that every contender reads, and the whole width of one of them.

`produit` 40,000 x 320 and `lignecli` 2,000,000 x 25, shaped on the ERP generator, the same rows in every run. Names are
lower-case and free of reserved words, so that no contender trips over quoting. Columns that are NULL in every row are left
out: they cost a driver nothing and a reader little, and say nothing of either. What stays is as erp-profile has it: of the
columns with values 75 % hold one value (profile 74 %), 91 % are never NULL (89 %), 39 % text, 21 % logical, 20 % decimal
(36, 20, 19 %). `produit_1x` keeps the empty columns: the real row count and width, for `bench.scaling`.
Owns schema, rows and the 1 % mutation.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from psycopg import Connection, sql

from cbm_etl_assets.errors import UnknownTableError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.metadata.types import Kind
from cbm_etl_assets.twin.erp import recipes
from cbm_etl_assets.twin.erp.blueprint import Col, Fill
from cbm_etl_assets.twin.erp.draw import Chunk, World
from cbm_etl_assets.twin.erp.schema import planned

SCHEMA = "public"
CURSOR = "dat_mod"
TODAY = dt.date(2026, 1, 1)  # fixed: the rows must not depend on the day of the run
CHUNK_CELLS = 3_000_000
_SKIPPED = {"dat_mod", "dat_crt", "hr_mod", "desc", "memo_tech"}  # cursors of the ERP, a reserved word, a width of 31,000
_CURSOR = Col(CURSOR, "datetime", recipes.moments(recipes.RECENT_DAYS), "Date et heure de modification")


@dataclass(frozen=True)
class BenchTable:
    name: str
    key: str
    rows: int
    columns: int
    erp: str = ""  # the ERP's table, where it has another name
    with_empty: bool = False

    @property
    def source(self) -> str:
        return self.erp or self.name


BENCH_TABLES: dict[str, BenchTable] = {
    "produit": BenchTable("produit", "cod_pro", 40_000, 320),
    "lignecli": BenchTable("lignecli", "uniq_id", 2_000_000, 25),
    "produit_1x": BenchTable("produit_1x", "cod_pro", 436_327, 600, erp="produit", with_empty=True),
}


def bench_table(name: str) -> SourceTable:
    """The table as a catalogue would tell it, for whoever writes its spec. Raises: UnknownTableError."""
    known = _known(name)
    return SourceTable(
        name=name,
        schema=SCHEMA,
        columns=tuple(column for _, _, column in _plan(known)),
        indexes=(SourceIndex(f"{name}_pk", (known.key,), unique=True, primary=True), SourceIndex(f"{name}_{CURSOR}", (CURSOR,))),
    )


def create_bench_tables(conn: Connection[Any], tables: Sequence[str] = ("produit", "lignecli"), rows: int | None = None) -> dict[str, int]:
    """Drops, creates and fills the tables; `rows` replaces the row count of each. Returns the rows of each table."""
    made: dict[str, int] = {}
    for name in tables:
        known, target = _known(name), sql.Identifier(SCHEMA, name)
        conn.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(target))
        columns = [sql.SQL("{} {}").format(sql.Identifier(c.name), _sql_type(c)) for _, _, c in _plan(known)]
        conn.execute(sql.SQL("CREATE TABLE {} ({})").format(target, sql.SQL(", ").join(columns)))
        made[name] = _fill(conn, known, rows or known.rows)
        conn.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(target, sql.Identifier(known.key)))
        conn.execute(sql.SQL("CREATE INDEX ON {} ({})").format(target, sql.Identifier(CURSOR)))
        conn.execute(sql.SQL("ANALYZE {}").format(target))
        conn.commit()
    return made


def mutate_percent(conn: Connection[Any], table: str, percent: float) -> int:
    """Changes `percent` % of the rows, spread over the table, and stamps them one day after the latest; returns how many.

    One day: beyond any lookback, so an incremental that reads exactly what changed is told from one that reads more.
    """
    known = _known(table)
    changed = {"produit": "px_rvt", "lignecli": "qte_cde"}[table]
    done = conn.execute(
        sql.SQL(
            "UPDATE {t} SET {c} = {c} + 1, {m} = (SELECT max({m}) FROM {t}) + interval '1 day' WHERE {k} IN (SELECT {k} FROM {t}"
            " ORDER BY hashtextextended({k}::text, 1), {k} LIMIT (SELECT round(count(*) * {p} / 100.0) FROM {t}))"
        ).format(
            t=sql.Identifier(SCHEMA, table),
            c=sql.Identifier(changed),
            m=sql.Identifier(CURSOR),
            k=sql.Identifier(known.key),
            p=sql.Literal(percent),
        )
    )
    conn.commit()
    return done.rowcount


def _known(name: str) -> BenchTable:
    if name not in BENCH_TABLES:
        raise UnknownTableError(name, BENCH_TABLES)
    return BENCH_TABLES[name]


def _plan(table: BenchTable) -> list[tuple[Col, SourceColumn, SourceColumn]]:
    """(recipe holder, the ERP's column, the bench's column): the key, the cursor, then the ERP's columns in their order."""
    erp = [
        (col, column)
        for col, column in planned(table.source)
        if (table.with_empty or col.fill is not Fill.EMPTY) and column.name.lower() not in _SKIPPED and (column.sql_width or 0) < 10_000
    ]
    chosen = [erp[0], (_CURSOR, _CURSOR.source_column(0)), *erp[1 : table.columns - 1]]
    return [(col, column, _renamed(column)) for col, column in chosen]


def _renamed(column: SourceColumn) -> SourceColumn:
    kind = Kind.VARCHAR if column.extent else column.type.kind
    logical = type(column.type)(kind, width=column.sql_width) if kind is Kind.VARCHAR else column.type
    name = sql_safe(column.name).lower()
    return SourceColumn(name=name, type=logical, abl_type=str(kind), sql_width=column.sql_width, label=column.label)


def _sql_type(column: SourceColumn) -> sql.SQL:
    plain = {Kind.BOOLEAN: sql.SQL("boolean"), Kind.TIMESTAMP: sql.SQL("timestamp")}
    if column.type.kind is Kind.DECIMAL:
        return sql.SQL(f"numeric({column.type.precision},{column.type.scale})")  # two integers
    return plain.get(column.type.kind) or sql.SQL(str(column.type))  # varchar(n), integer, bigint, date


def _frames(table: BenchTable, rows: int) -> Iterator[pl.DataFrame]:
    products = max(40_000, rows) if table.source == "produit" else 40_000
    counts = {"client": 15_000, "fournis": 8_000, "produit": products, "entetcli": max(1, rows // 3), "lignecli": rows}
    world, plan = World(seed=1, counts=counts, today=TODAY), _plan(table)
    step = CHUNK_CELLS // table.columns
    for start in range(0, rows, step):
        chunk = Chunk(world, table.source, np.arange(start, min(start + step, rows), dtype=np.uint64))
        yield pl.DataFrame([col.recipe(chunk, column).alias(renamed.name) for col, column, renamed in plan])


def _fill(conn: Connection[Any], table: BenchTable, rows: int) -> int:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(SCHEMA, table.name))
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        for frame in _frames(table, rows):
            copy.write(frame.write_csv(include_header=False))
    return rows
