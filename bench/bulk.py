"""Client CPU of loading rows into PostgreSQL: our binary COPY over ADBC against row-wise executemany, on the same rows.

`python -m bench.bulk HOW` is one child: it reads the connection string from stdin, loads once, and prints its own CPU seconds, taken
around the load alone. `bulk_rounds` runs the three of them, each in a process of its own, and checks that every row arrived.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import ChildError, Run, Series, run_child
from bench.server import BenchServer

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, COLUMNS, BATCH = 10_000, 100, 2_000
WAYS = ("adbc", "psycopg", "pyodbc")
_KINDS = ("varchar(30)", "integer", "decimal(15,2)", "timestamp", "varchar(12)")


def columns() -> list[tuple[str, str]]:
    return [("k", "bigint"), *((f"c{i}", _KINDS[i % len(_KINDS)]) for i in range(1, COLUMNS))]


def batches() -> Iterator[pa.RecordBatch]:
    """The same rows for everybody; one value in eight is NULL."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from cbm_etl_assets.metadata.types import LogicalType

    for start in range(0, ROWS, BATCH):
        keys = pa.array(range(start, start + BATCH), pa.int64())
        arrays = [keys]
        for number, (_, kind) in enumerate(columns()[1:], 1):
            mixed = pc.bit_wise_and(pc.multiply(keys, 7919 * number + 1), 0xFFFFF)
            wanted = LogicalType.parse(kind).arrow()
            values = _values(mixed, wanted)
            arrays.append(pc.if_else(pc.equal(pc.bit_wise_and(mixed, 7), 0), pa.scalar(None, wanted), values))
        yield pa.RecordBatch.from_arrays(arrays, names=[name for name, _ in columns()])


def _values(mixed: pa.Array, wanted: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(wanted):
        return pc.binary_join_element_wise("value", mixed.cast(pa.string()), " ")
    return mixed.cast(pa.int32()).cast(wanted) if pa.types.is_decimal(wanted) else mixed.cast(wanted)


def by_adbc(url: str) -> Callable[[], None]:
    import pyarrow as pa
    from pydantic import SecretStr

    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.settings import Settings, WarehouseSettings
    from cbm_etl_assets.warehouse import registry
    from cbm_etl_assets.warehouse.port import StagingTable

    spec = TableSpec.model_validate({"table": "bulk", "primary_key": ["k"], "columns": [{"name": n, "type": t} for n, t in columns()]})
    held = WarehouseSettings(kind="postgresql", connection_string=SecretStr(url))
    warehouse = registry.create(Settings(warehouse=held))
    warehouse.prepare()
    hashes = pa.array([bytes(32)] * BATCH, pa.binary())
    names = [*(n for n, _ in columns()), "_key_hash", "_hashdiff"]
    rows = [pa.RecordBatch.from_arrays([*batch.columns, hashes, hashes], names=names) for batch in batches()]

    def load() -> None:
        warehouse.load_staging(spec, StagingTable("bulk", "bulk__1", 1), iter(rows))

    return load


def by_psycopg(url: str) -> Callable[[], None]:
    import psycopg

    connection = psycopg.connect(url)
    _create(connection.execute, "psycopg")
    connection.commit()

    def load() -> None:
        with connection, connection.cursor() as cursor:
            marks = ", ".join(["%s"] * COLUMNS)
            for batch in batches():
                cursor.executemany(f"INSERT INTO stg.psycopg__1 VALUES ({marks})", _rows(batch))

    return load


def by_pyodbc(odbc: str) -> Callable[[], None]:
    import pyodbc

    connection = pyodbc.connect(odbc, autocommit=False)
    cursor = connection.cursor()
    _create(cursor.execute, "pyodbc")
    connection.commit()

    def load() -> None:
        cursor.fast_executemany = True
        marks = ", ".join("?" * COLUMNS)
        for batch in batches():
            cursor.executemany(f"INSERT INTO stg.pyodbc__1 VALUES ({marks})", _rows(batch))
        connection.commit()

    return load


def _create(execute: Callable[[str], object], name: str) -> None:
    words = {"varchar(30)": "text", "varchar(12)": "text", "decimal(15,2)": "numeric(15,2)"}
    execute("CREATE SCHEMA IF NOT EXISTS stg")
    execute(f"DROP TABLE IF EXISTS stg.{name}__1")
    execute(f"CREATE UNLOGGED TABLE stg.{name}__1 ({', '.join(f'{n} {words.get(t, t)}' for n, t in columns())})")


def _rows(batch: pa.RecordBatch) -> list[tuple[object, ...]]:
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def bulk_rounds(server: BenchServer, rounds: int) -> dict[str, Series]:
    """Series by way. Raises: ChildError when a way loaded another number of rows."""
    series = {way: Series(f"bulk_{way}_postgresql") for way in WAYS}
    names = {"adbc": "bulk"}
    for _ in range(rounds):
        for way in WAYS:
            given = server.odbc if way == "pyodbc" else server.url
            run = run_child([sys.executable, "-m", "bench.bulk", way], env=os.environ, cwd=Path(__file__).parent.parent, stdin=given + "\n")
            measured = json.loads(run.stdout)
            with server.connect() as connection:
                found = connection.execute(f"SELECT count(*) FROM stg.{names.get(way, way)}__1").fetchone()  # type: ignore[call-overload]
            if found != (ROWS,):
                raise ChildError(f"bulk {way}: {found} rows where {ROWS} were expected")
            series[way].runs.append(Run(measured["wall"], measured["cpu"], run.peak_rss_mb))
            print(f"    bulk load by {way:21} {measured['wall']:8.2f} s {measured['cpu']:8.2f} CPU-s of the client", flush=True)
    return series


def bulk_ratios(series: dict[str, Series]) -> dict[str, float]:
    """Client CPU of the row-wise ways over ours: at least 5 is asked for."""
    cpu = {way: min(run.cpu_seconds for run in one.runs) for way, one in series.items()}
    return {
        "postgresql_bulk_cpu_vs_fast_executemany": round(cpu["pyodbc"] / cpu["adbc"], 1),
        "postgresql_bulk_cpu_vs_psycopg_executemany": round(cpu["psycopg"] / cpu["adbc"], 1),
        "postgresql_bulk_rows_per_client_cpu_second": round(ROWS / cpu["adbc"]),
    }


def main(way: str) -> int:
    load = {"adbc": by_adbc, "psycopg": by_psycopg, "pyodbc": by_pyodbc}[way](sys.stdin.readline().strip())
    before, started = resource.getrusage(resource.RUSAGE_SELF), dt.datetime.now(dt.UTC)
    load()
    after, ended = resource.getrusage(resource.RUSAGE_SELF), dt.datetime.now(dt.UTC)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu": cpu, "wall": (ended - started).total_seconds()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
