"""Our side of the benchmark: the specs of the bench tables, `cbm-etl run` as a user starts it, and the extraction alone.

Owns how we are called. As a module it is the extraction: python -m bench.ours TABLE OUT_DIR prints its seconds and rows.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import Run, run_child
from bench.sources import BENCH_TABLES, CURSOR, SCHEMA, bench_table

ROOT = Path(__file__).parent.parent
# What pip writes into bin/cbm-etl, so that a checkout that is not installed can be measured too.
ENTRY_POINT = "import sys; from cbm_etl_assets.cli.app import main; sys.exit(main())"


def write_specs(folder: Path) -> None:
    """One spec a table; lookback 0 as the peers have none. A spec is YAML, and JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    for known in BENCH_TABLES.values():
        columns = [{"name": c.name, "type": str(c.type), "nullable": c.name != known.key} for c in bench_table(known.name).columns]
        spec = {
            "table": known.name, "source_schema": SCHEMA, "kind": "fact", "primary_key": [known.key], "columns": columns,
            "cursor": {"columns": [CURSOR], "precision": "datetime", "lookback": "0d"},
        }  # fmt: skip
        (folder / f"{known.name}.yaml").write_text(json.dumps(spec, indent=1), encoding="utf-8")


@dataclass(frozen=True)
class Ours:
    """`python` is the interpreter of this environment, `folder` holds the specs and, one a purpose, the homes."""

    python: Path
    folder: Path
    base_env: Mapping[str, str]
    odbc: str

    def env(self, home: str) -> dict[str, str]:
        kept = {name: value for name, value in self.base_env.items() if not name.startswith("CBM_")}
        return {
            **kept, "PYTHONPATH": str(ROOT), "CBM_HOME": str(self.folder / home), "CBM_TABLES_DIR": str(self.folder / "tables"),
            "CBM_ENV": "DEV", "CBM_SOURCE__DIALECT": "ansi", "CBM_SOURCE__CONNECTION_STRING": self.odbc,
        }  # fmt: skip

    def load(self, table: str, mode: str, home: str) -> tuple[Run, dict[str, Any]]:
        """`cbm-etl run`, interpreter start to exit, in a folder without a .env. Returns the run and the table's result."""
        command = [str(self.python), "-c", ENTRY_POINT, "run", table, "--mode", mode, "--json"]
        run = run_child(command, env=self.env(home), cwd=self.folder)
        result: dict[str, Any] = json.loads(run.stdout)["tables"][0]
        return run, result

    def verify(self, table: str, home: str) -> Run:
        """`cbm-etl verify` of a loaded table: exits with 0 when every row of the source equals its row in ODS."""
        return run_child([str(self.python), "-c", ENTRY_POINT, "verify", table, "--json"], env=self.env(home), cwd=self.folder)

    def extract(self, table: str, home: str) -> tuple[Run, dict[str, Any]]:
        out = self.folder / home / "extract"
        out.mkdir(parents=True)
        run = run_child([str(self.python), "-m", "bench.ours", table, str(out)], env=self.env(home), cwd=self.folder)
        result: dict[str, Any] = json.loads(run.stdout)
        return run, result


def main(arguments: list[str]) -> None:
    """The extraction: query, fetch, hash and Parquet with checksums, the reader process already started as in a real run."""
    from cbm_etl_assets.metadata.catalog import load_catalog
    from cbm_etl_assets.settings import load_settings
    from cbm_etl_assets.source.odbc import OdbcSource
    from cbm_etl_assets.source.port import ExtractRequest, ReadRange

    settings = load_settings()
    spec = load_catalog(settings.tables_dir)[arguments[0]]
    with OdbcSource(settings) as source:
        source.clock()  # starts the reader, as reading t0 does in every load
        started = time.perf_counter()
        result = source.extract(ExtractRequest(spec, ReadRange(), Path(arguments[1])))
        seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "rows": result.rows, "reader": result.reader}))


if __name__ == "__main__":
    main(sys.argv[1:])
