"""Does extraction grow linearly and keep its memory? `python -m bench.scaling` reads the ERP's `produit` at several sizes.

Owns this measure: plain PostgreSQL over psqlODBC, 436,327 rows x 600 columns at factor 1, the empty columns among them, each
size in a process of its own. Seconds are those of the extraction (query to fsynced Parquet), CPU seconds and memory those of
the whole run and of its largest process. CPU tells what grows: the wall clock of a shared machine tells of its neighbours.
Writes bench/results/scaling.json. Factors 0.25 and 1 take some 5 minutes and 2 GB of disk, 1 and 4 four times that.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from bench.measure import ChildError
from bench.ours import Ours, write_specs
from bench.server import bench_server
from bench.sources import BENCH_TABLES

HERE = Path(__file__).parent
TABLE = "produit_1x"
RSS_LIMIT_MB = 1024


def measure(factor: float) -> dict[str, float]:
    """A server, a table and an extraction of that size; everything is removed at the end."""
    known = BENCH_TABLES[TABLE]
    rows = max(1, round(known.rows * factor))
    with tempfile.TemporaryDirectory(prefix="cbm-scaling-") as temporary:
        folder = Path(temporary)
        with bench_server(folder / "server", [TABLE], rows) as server:
            write_specs(folder / "tables")
            run, result = Ours(Path(sys.executable), folder, os.environ, server.odbc).extract(TABLE, "home")
    if result["rows"] != rows:
        raise ChildError(f"{result['rows']} rows where {rows} were expected")
    cells = rows * known.columns / 1e6
    return {
        "factor": factor, "rows": rows, "million_cells": round(cells, 1), "seconds": round(result["seconds"], 2),
        "cpu_seconds": round(run.cpu_seconds, 2), "cpu_seconds_per_million_cells": round(run.cpu_seconds / cells, 4),
        "peak_rss_mb": round(run.peak_rss_mb, 1),
    }  # fmt: skip


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="bench.scaling", description="Extraction time and memory by table size.")
    parser.add_argument("--factors", type=float, nargs="+", default=[0.25, 1.0])
    parser.add_argument("--output", type=Path, default=HERE / "results" / "scaling.json")
    options = parser.parse_args(words)
    found = []
    for factor in options.factors:
        found.append(measure(factor))
        print(json.dumps(found[-1]), flush=True)
    # 1 = linear; below 1 where the start, the same at every size, still weighs.
    growth = found[-1]["cpu_seconds_per_million_cells"] / found[0]["cpu_seconds_per_million_cells"]
    worst = max(one["peak_rss_mb"] for one in found)
    report = {"sizes": found, "cpu_seconds_a_cell_largest_over_smallest": round(growth, 3), "peak_rss_mb": worst}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if worst < RSS_LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
