"""Client CPU of loading rows into SQL Server: mssql-python's bulk copy against pyodbc `fast_executemany`, through our own staging load.

Where CBM_TEST_SQLSERVER names a server; its table stg.bulk__1 is written. `python -m bench.bulk_sqlserver HOW` is one child.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from bench.bulk import BATCH, ROWS, batches, columns
from bench.measure import ChildError, Run, Series, run_child

VARIABLE = "CBM_TEST_SQLSERVER"
WAYS = ("bulkcopy", "odbc")


def child(way: str, connection_string: str) -> dict[str, float]:
    import pyarrow as pa

    from cbm_etl_assets.metadata.spec import TableSpec
    from cbm_etl_assets.settings import Settings, WarehouseSettings
    from cbm_etl_assets.warehouse import registry
    from cbm_etl_assets.warehouse.port import StagingTable

    spec = TableSpec.model_validate({"table": "bulk", "primary_key": ["k"], "columns": [{"name": n, "type": t} for n, t in columns()]})
    held = {"kind": "sqlserver", "connection_string": connection_string, "sqlserver": {"bulk": way}}
    warehouse = registry.create(Settings(warehouse=WarehouseSettings.model_validate(held)))
    warehouse.prepare()
    hashes = pa.array([bytes(32)] * BATCH, pa.binary())
    names = [*(n for n, _ in columns()), "_key_hash", "_hashdiff"]
    rows = [pa.RecordBatch.from_arrays([*batch.columns, hashes, hashes], names=names) for batch in batches()]
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    loaded = warehouse.load_staging(spec, StagingTable("bulk", "bulk__1", 1), iter(rows))
    after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    warehouse.drop_staging("bulk")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"rows": loaded, "cpu": cpu, "wall": ended - started}


def sqlserver_rounds(rounds: int) -> dict[str, Series]:
    """Series by way; empty where no server is named. Raises: ChildError when a way loaded another number of rows."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        print(f"    bulk load into SQL Server: skipped, {VARIABLE} names no server", flush=True)
        return {}
    series = {way: Series(f"bulk_{way}_sqlserver") for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            command = [sys.executable, "-m", "bench.bulk_sqlserver", way]
            run = run_child(command, env=os.environ, cwd=Path(__file__).parent.parent, stdin=given + "\n")
            measured = json.loads(run.stdout)
            if measured["rows"] != ROWS:
                raise ChildError(f"bulk {way}: {measured['rows']} rows where {ROWS} were expected")
            series[way].runs.append(Run(measured["wall"], measured["cpu"], run.peak_rss_mb))
            print(f"    bulk load by {way:21} {measured['wall']:8.2f} s {measured['cpu']:8.2f} CPU-s of the client", flush=True)
    return series


def sqlserver_ratios(series: dict[str, Series]) -> dict[str, float]:
    """Client CPU of `fast_executemany` over ours: at least 5 is asked for."""
    if not series:
        return {}
    cpu = {way: min(run.cpu_seconds for run in one.runs) for way, one in series.items()}
    return {
        "sqlserver_bulk_cpu_vs_fast_executemany": round(cpu["odbc"] / cpu["bulkcopy"], 1),
        "sqlserver_bulk_rows_per_client_cpu_second": round(ROWS / cpu["bulkcopy"]),
    }


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], sys.stdin.readline().strip())))
