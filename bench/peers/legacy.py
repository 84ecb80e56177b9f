"""The old pipeline's way, as it ran for years: pandas.read_sql over pyodbc, a row hash in Python, executemany, MERGE by key.

Owns this peer of the benchmark. Runs in its own environment. usage:
echo CONNECTION_STRING | python legacy.py executemany|frame SCHEMA.TABLE KEY FILE.duckdb
`frame` hands the whole DataFrame to DuckDB instead of executemany: what the old way could have become with one changed line.
Prints the number of rows in the target.
"""

from __future__ import annotations

import hashlib
import sys
import warnings

import duckdb
import pandas as pd
import pyodbc

CHUNK = 5000
NULL = "\\N"


def read(connection_string: str, table: str) -> pd.DataFrame:
    with warnings.catch_warnings(), pyodbc.connect(connection_string) as connection:
        warnings.simplefilter("ignore")  # pandas would rather have SQLAlchemy
        return pd.read_sql(f"SELECT * FROM {table}", connection)


def add_hash(frame: pd.DataFrame) -> pd.DataFrame:
    text = frame.astype(object).where(frame.notna(), "").astype(str).agg("|".join, axis=1)
    hashes = text.map(lambda value: hashlib.sha256(value.encode()).hexdigest())
    return pd.concat([frame, hashes.rename("_hashdiff")], axis=1)


def stage_by_executemany(warehouse: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    """Text without NULL, the fastest form found: DuckDB binds anew when a parameter's type changes, as NULL does (15 ms a row, not 4)."""
    names = ", ".join(f'"{name}" VARCHAR' for name in frame.columns)
    warehouse.execute(f"CREATE TEMP TABLE staging ({names})")
    rows = frame.astype(object).where(frame.notna(), NULL).astype(str).values.tolist()
    insert = f"INSERT INTO staging VALUES ({', '.join('?' for _ in frame.columns)})"
    for start in range(0, len(rows), CHUNK):
        warehouse.begin()
        warehouse.executemany(insert, rows[start : start + CHUNK])
        warehouse.commit()


def stage_by_frame(warehouse: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    warehouse.register("frame", frame)
    warehouse.execute("CREATE TEMP TABLE staging AS SELECT * FROM frame")


def load(how: str, frame: pd.DataFrame, table: str, key: str, path: str) -> int:
    names = [f'"{name}"' for name in frame.columns]
    with duckdb.connect(path) as warehouse:
        (stage_by_executemany if how == "executemany" else stage_by_frame)(warehouse, frame)
        warehouse.execute(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT * FROM staging WHERE false")
        updates = ", ".join(f"{name} = staging.{name}" for name in names)
        warehouse.execute(
            f"MERGE INTO {table} AS target USING staging ON target.{key} = staging.{key} "
            f"WHEN MATCHED AND target._hashdiff <> staging._hashdiff THEN UPDATE SET {updates} "
            f"WHEN NOT MATCHED THEN INSERT VALUES ({', '.join(f'staging.{name}' for name in names)})"
        )
        counted = warehouse.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(counted[0]) if counted else 0


def main(arguments: list[str]) -> None:
    how, table, key, path = arguments
    frame = add_hash(read(sys.stdin.readline().strip(), table))
    print(load(how, frame, table.rpartition(".")[2], key, path))


if __name__ == "__main__":
    main(sys.argv[1:])
