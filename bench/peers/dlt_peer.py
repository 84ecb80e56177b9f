"""dlt's own way: the sql_database source into DuckDB, replace for a full load, merge with an incremental cursor else.

Owns this peer of the benchmark. Runs in its own environment. usage:
echo postgresql://... | python dlt_peer.py BACKEND full|initial|incremental SCHEMA.TABLE KEY FOLDER
`initial` is the untimed first load of the incremental measure. Prints the number of rows in the target.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dlt
import duckdb
from dlt.sources.sql_database import sql_table


def main(arguments: list[str]) -> None:
    backend, mode, name, key, folder = arguments
    schema, _, table = name.rpartition(".")
    url = sys.stdin.readline().strip()
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    home = Path(folder)
    path = home / "dlt.duckdb"
    pipeline = dlt.pipeline("bench", pipelines_dir=str(home / "state"), destination=dlt.destinations.duckdb(str(path)), dataset_name="ods")
    cursor = None if mode == "full" else dlt.sources.incremental("dat_mod")
    # connectorx wants plain Arrow batches; the cursor column of these tables has no NULL, as in the others' runs.
    resource = sql_table(credentials=url, schema=schema, table=table, backend=backend, incremental=cursor, chunk_size=50_000)
    resource.apply_hints(primary_key=key)
    pipeline.run(resource, write_disposition="replace" if mode == "full" else "merge")
    with duckdb.connect(str(path), read_only=True) as warehouse:
        counted = warehouse.execute(f"SELECT count(*) FROM ods.{table}").fetchone()
    print(counted[0] if counted else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
