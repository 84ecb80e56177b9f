"""`make bench`: every contender on the same tables in interleaved rounds, medians and ratios into bench/results/latest.json.

Takes about 10 minutes on 2 quiet cores, 3 of them the old path; no single run may take more than 15 (measure.LIMIT_SECONDS).

Owns the order of the rounds and the report. How a contender is called stands in `ours`, `peers` and `seven`. A contender
whose row count is wrong ends the benchmark: a fast wrong answer is no result.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path

from bench.bulk import bulk_ratios, bulk_rounds
from bench.bulk_sqlserver import sqlserver_ratios, sqlserver_rounds
from bench.measure import ChildError, Run, Series, run_child
from bench.ours import Ours, write_specs
from bench.server import BenchServer, bench_server
from bench.seven import seven_tables
from bench.sources import BENCH_TABLES, SCHEMA, mutate_percent

HERE = Path(__file__).parent
OUR_PACKAGES = ("adbc-driver-postgresql", "arrow-odbc", "dagster", "duckdb", "polars", "polars-hash", "pyarrow", "pyodbc")
PEER_PACKAGES = ("connectorx", "dlt", "duckdb", "pandas", "pyodbc")
BACKENDS = ("connectorx", "pyarrow")


@dataclass
class Bench:
    server: BenchServer
    folder: Path
    peer_python: Path
    rows: dict[str, int]
    series: dict[str, Series] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ours = Ours(Path(sys.executable), self.folder, os.environ, self.server.odbc)
        self.floor_binary = self.folder / "floor"
        subprocess.run(["gcc", "-O2", "-o", str(self.floor_binary), str(HERE / "floor.c"), "-l:libodbc.so.2"], check=True)
        write_specs(self.folder / "tables")

    def record(self, name: str, run: Run) -> None:
        self.series.setdefault(name, Series(name)).runs.append(run)
        print(f"    {name:34} {run.wall_seconds:8.2f} s {run.cpu_seconds:8.2f} CPU-s {run.peak_rss_mb:8.0f} MB", flush=True)

    def fresh(self, name: str) -> Path:
        path = self.folder / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        return path

    def demand(self, name: str, found: int, expected: int) -> None:
        if found != expected:
            raise ChildError(f"{name}: {found} rows where {expected} were expected")

    # --- contenders --------------------------------------------------------------------------------------------------

    def our_full(self, table: str) -> None:
        name = f"ours_full_{table}"
        self.fresh(name)
        run, result = self.ours.load(table, "full", name)
        self.demand(name, result["rows"]["inserted"], self.rows[table])
        self.record(name, run)

    def our_incremental(self, table: str, changed: int) -> None:
        name = f"ours_incremental_{table}"
        run, result = self.ours.load(table, "incremental", name)
        self.demand(name, result["rows"]["updated"], changed)
        self.record(name, run)

    def our_verification(self, table: str) -> None:
        """Of the table the last full round has loaded."""
        self.record(f"ours_verify_{table}", self.ours.verify(table, f"ours_full_{table}"))

    def our_extraction(self, table: str) -> None:
        name = f"ours_extract_{table}"
        self.fresh(name)
        run, result = self.ours.extract(table, name)
        self.demand(name, result["rows"], self.rows[table])
        self.record(name, Run(result["seconds"], run.cpu_seconds, run.peak_rss_mb))

    def floor(self, table: str, how: str = "") -> None:
        name = f"odbc_{how}floor_{table}"
        command = [str(self.floor_binary), f"SELECT * FROM {SCHEMA}.{table}", *([how] if how else [])]
        run = run_child(command, env=os.environ, cwd=self.folder, stdin=self.server.odbc + "\n")
        rows, _, seconds = run.stdout.split()
        self.demand(name, int(rows), self.rows[table])
        self.record(name, Run(float(seconds), run.cpu_seconds, run.peak_rss_mb))

    def legacy(self, how: str, table: str) -> None:
        name = f"legacy_{how}_full_{table}"
        path = self.fresh(f"{name}.duckdb")
        script = [str(self.peer_python), str(HERE / "peers" / "legacy.py"), how, f"{SCHEMA}.{table}", BENCH_TABLES[table].key, str(path)]
        run = run_child(script, env=os.environ, cwd=self.folder, stdin=self.server.odbc + "\n")
        self.demand(name, int(run.stdout), self.rows[table])
        self.record(name, run)

    def dlt(self, backend: str, mode: str, table: str) -> None:
        kept = "full" if mode == "full" else "incremental"
        name = f"dlt_{backend}_{kept}_{table}"
        home = self.folder / name if mode == "incremental" else self.fresh(name)
        home.mkdir(exist_ok=True)
        script = [str(self.peer_python), str(HERE / "peers" / "dlt_peer.py"), backend, mode, f"{SCHEMA}.{table}", BENCH_TABLES[table].key]
        run = run_child([*script, str(home)], env=os.environ, cwd=self.folder, stdin=self.server.url + "\n")
        self.demand(name, int(run.stdout.splitlines()[-1]), self.rows[table])
        if mode != "initial":
            self.record(name, run)

    # --- rounds ------------------------------------------------------------------------------------------------------

    def full_round(self, table: str) -> None:
        self.our_full(table)
        self.our_extraction(table)
        self.floor(table)
        self.floor(table, "bound")
        for backend in BACKENDS:
            self.peer(partial(self.dlt, backend, "full", table), f"dlt {backend}")

    def prepare_incremental(self, table: str) -> None:
        self.fresh(f"ours_incremental_{table}")
        self.ours.load(table, "full", f"ours_incremental_{table}")
        for backend in BACKENDS:
            self.peer(partial(self.dlt, backend, "initial", table), f"dlt {backend}")

    def incremental_round(self, table: str) -> None:
        with self.server.connect() as connection:
            changed = mutate_percent(connection, table, 1.0)
        self.our_incremental(table, changed)
        for backend in BACKENDS:
            self.peer(partial(self.dlt, backend, "incremental", table), f"dlt {backend}")

    def peer(self, step: Callable[[], None], name: str) -> None:
        """A peer that fails once is out, and the report says so; ours has no such grace."""
        if name in self.failed:
            return
        try:
            step()
        except ChildError as error:
            self.failed[name] = str(error)
            print(f"    {name} is out: {error}", flush=True)

    def wall(self, name: str) -> float:
        return self.series[name].wall_seconds

    def best_dlt(self, kind: str, table: str) -> float:
        """Raises: ChildError when no backend is left to be held against."""
        names = [f"dlt_{backend}_{kind}_{table}" for backend in BACKENDS if f"dlt {backend}" not in self.failed]
        if not names:
            raise ChildError(f"no backend of dlt ran: {self.failed}")
        return min(self.wall(name) for name in names)


def ratios(bench: Bench, overhead: float | None) -> dict[str, float]:
    """How many times faster we are; `extract_vs_odbc_floor` is our rows/s over the driver's own limit.

    That floor converts nothing; `extract_vs_bound_floor` is held against a C program that has every value put into a buffer as text.
    """
    found: dict[str, float] = {}
    if "ours_full_produit" in bench.series:
        ours = bench.wall("ours_full_produit")
        found["full_vs_dlt"] = bench.best_dlt("full", "produit") / ours
        found["incremental_vs_dlt"] = bench.best_dlt("incremental", "produit") / bench.wall("ours_incremental_produit")
        found["extract_vs_odbc_floor"] = bench.wall("odbc_floor_produit") / bench.wall("ours_extract_produit")
        found["extract_vs_bound_floor"] = bench.wall("odbc_boundfloor_produit") / bench.wall("ours_extract_produit")
        cells = bench.rows["produit"] * BENCH_TABLES["produit"].columns
        found["verify_seconds_per_10m_cells"] = bench.wall("ours_verify_produit") * 1e7 / cells
        for how, key in (("executemany", "full_vs_legacy"), ("frame", "full_vs_legacy_with_frame_insert")):
            if (name := f"legacy_{how}_full_produit") in bench.series:
                found[key] = bench.wall(name) / ours
    if "ours_full_lignecli" in bench.series:
        found["lignecli_full_vs_dlt"] = bench.best_dlt("full", "lignecli") / bench.wall("ours_full_lignecli")
    if overhead is not None:
        found["dagster_overhead_seconds"] = overhead
    return {name: round(value, 3) for name, value in found.items()}


def versions(peer_python: Path) -> dict[str, dict[str, str]]:
    ask = "import importlib.metadata as m, sys; print(' '.join(m.version(p) for p in sys.argv[1:]))"
    done = subprocess.run([str(peer_python), "-c", ask, *PEER_PACKAGES], capture_output=True, text=True, check=True)
    return {
        "ours": {name: version(name) for name in OUR_PACKAGES},
        "peers": dict(zip(PEER_PACKAGES, done.stdout.split(), strict=True)),
        "python": {"ours": platform.python_version()},
    }


def compile_bytecode(*pythons: Path) -> None:
    """Every contender starts from bytecode, as an installed program does. Some installers leave it out: 2 CPU-seconds a start of ours."""
    for python in pythons:
        where = subprocess.run(
            [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
        )
        # Some packages ship templates that do not compile, hence no check of the exit code.
        subprocess.run(
            [str(python), "-m", "compileall", "-qq", where.stdout.strip(), str(HERE), str(HERE.parent / "cbm_etl_assets")], check=False
        )


def run_tables(bench: Bench, options: argparse.Namespace) -> None:
    for table in bench.rows:
        rounds = options.rounds if table == "produit" else max(1, options.rounds - 1)
        for number in range(rounds):
            print(f"==> {table}, full, round {number + 1} of {rounds}", flush=True)
            bench.full_round(table)
        if table == "produit":
            bench.our_verification(table)
        if table == "produit" and options.legacy_rounds:
            bench.peer(partial(bench.legacy, "frame", table), "legacy frame")
            for _ in range(options.legacy_rounds):
                bench.peer(partial(bench.legacy, "executemany", table), "legacy executemany")
        bench.prepare_incremental(table)
        for number in range(rounds):
            print(f"==> {table}, 1 % incremental, round {number + 1} of {rounds}", flush=True)
            bench.incremental_round(table)


def dagster_overhead(folder: Path, rounds: int) -> tuple[float, Series]:
    """The best round's wall clock less its data work: noise of a busy machine only ever adds."""
    series, extra = Series("dagster_seven_incremental"), []
    with seven_tables(Path(sys.executable), folder / "seven", os.environ) as seven:
        for _ in range(rounds):
            seven.change()
            run, data_seconds = seven.run("incremental")
            series.runs.append(run)
            extra.append(run.wall_seconds - data_seconds)
            print(f"    seven tables through Dagster {run.wall_seconds:8.2f} s, of which data {data_seconds:.2f} s", flush=True)
    return sorted(extra)[len(extra) // 2], series


def arguments_of(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.run", description="Benchmark against other tools.")
    parser.add_argument("--peer-python", type=Path, required=True, help="interpreter of the environment with the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--legacy-rounds", type=int, default=1, help="the legacy path takes minutes; 0 leaves it out")
    parser.add_argument("--tables", nargs="*", default=["produit", "lignecli"], choices=["produit", "lignecli"])
    parser.add_argument("--rows", type=int, help="fewer rows, to try the benchmark itself")
    parser.add_argument("--no-dagster", action="store_true")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "latest.json")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    options = arguments_of(words)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped and removed
    compile_bytecode(Path(sys.executable), options.peer_python)
    rows = {name: options.rows or BENCH_TABLES[name].rows for name in options.tables}
    with tempfile.TemporaryDirectory(prefix="cbm-bench-") as temporary:
        folder = Path(temporary)
        try:
            with bench_server(folder / "server", list(rows), options.rows) as server:
                bench = Bench(server, folder, options.peer_python.absolute(), rows)
                run_tables(bench, options)
                print("==> bulk load into PostgreSQL", flush=True)
                bulk = bulk_rounds(server, options.rounds)
            sqlserver = sqlserver_rounds(options.rounds)
            overhead, series = (None, None) if options.no_dagster else dagster_overhead(folder, options.rounds)
        except ChildError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
    if series:
        bench.series[series.name] = series
    bench.series |= {one.name: one for one in (*bulk.values(), *sqlserver.values())}
    report = {
        "ratios": ratios(bench, overhead) | bulk_ratios(bulk) | sqlserver_ratios(sqlserver),
        "rows": rows, "columns": {n: BENCH_TABLES[n].columns for n in rows},
        "measures": {name: one.report() for name, one in bench.series.items()},
        "failed_peers": bench.failed,
        "versions": versions(options.peer_python.absolute()), "machine": {"cpus": os.cpu_count(), "system": platform.system()},
    }  # fmt: skip
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report["ratios"], indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
