"""A throw-away PostgreSQL with the two bench tables, and how each contender names it.

Owns the server's life. The rows are `bench.sources`; the binaries and the start are the twin's.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.sources import create_bench_tables
from cbm_etl_assets.source.driver import find_driver
from cbm_etl_assets.twin import postgres

# Streaming in blocks of 1,000 rows: without it psqlODBC keeps a whole result in memory, with every reader, ours and theirs.
DRIVER_OPTIONS = "UseDeclareFetch=1;Fetch=1000;BoolsAsChar=0;MaxVarcharSize=32000"


@dataclass(frozen=True)
class BenchServer:
    port: int
    password: str

    @property
    def url(self) -> str:
        return f"postgresql://{postgres.SUPERUSER}:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def odbc(self) -> str:
        where = f"Server=127.0.0.1;Port={self.port};Database=postgres;UID={postgres.SUPERUSER};PWD={self.password}"
        return f"Driver={find_driver('psqlodbc')};{where};{DRIVER_OPTIONS}"

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url)


@contextmanager
def bench_server(home: Path, tables: Sequence[str], rows: int | None = None) -> Iterator[BenchServer]:
    """Started, filled, analysed; stopped and removed at the end."""
    cluster, password = postgres.locate(home), secrets.token_hex(12)
    postgres.initialise(cluster, password)
    server = BenchServer(postgres.start(cluster), password)
    try:
        with server.connect() as connection:
            create_bench_tables(connection, tables, rows)
        yield server
    finally:
        postgres.stop(cluster)
        postgres.destroy(cluster)
