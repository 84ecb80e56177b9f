"""What Dagster costs: the incremental of the seven ERP tables through Dagster, against the seconds of the data work in it.

Owns this measure. `SevenTables` prepares a twin and a first full load; as a module it is the measured process:
python -m bench.seven loads incrementally through Dagster as `cbm-etl demo` does and prints the seconds of the data work.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from bench.measure import Run, run_child
from cbm_etl_assets.settings import PACKAGE_DIR
from cbm_etl_assets.twin import server
from cbm_etl_assets.twin.erp.load import load_erp
from cbm_etl_assets.twin.erp.mutate import Mutation, mutate
from cbm_etl_assets.twin.handle import TwinHandle

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class SevenTables:
    python: Path
    home: Path
    base_env: Mapping[str, str]
    handle: TwinHandle

    def now(self) -> dt.datetime:
        return dt.datetime.now(ZoneInfo(self.handle.zone)).replace(tzinfo=None, microsecond=0)

    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in self.base_env.items() if not name.startswith("CBM_")}
        return {
            **kept, "PYTHONPATH": str(ROOT), "CBM_HOME": str(self.home / "state"), "CBM_TABLES_DIR": str(PACKAGE_DIR / "tables"),
            "CBM_SOURCE__CONNECTION_STRING": self.handle.odbc, "CBM_SOURCE__TIMEZONE": self.handle.zone,
        }  # fmt: skip

    def change(self, percent: float = 1.0) -> None:
        with self.handle.pg(autocommit=False) as connection:
            mutate(connection, Mutation(percent=percent), now=self.now())

    def run(self, mode: str) -> tuple[Run, float]:
        """The measured process and the seconds of data work in it."""
        run = run_child([str(self.python), "-m", "bench.seven", mode], env=self.env(), cwd=self.home)
        return run, float(json.loads(run.stdout.splitlines()[-1])["data_seconds"])


@contextmanager
def seven_tables(python: Path, home: Path, base_env: Mapping[str, str]) -> Iterator[SevenTables]:
    """The twin with the demo's ERP, loaded once in full; stopped at the end."""
    home.mkdir(parents=True)
    handle = server.start(home / "twin-home")
    try:
        seven = SevenTables(python, home, base_env, handle)
        with handle.pg(autocommit=False) as connection:
            load_erp(connection, "demo", today=seven.now().date())
        seven.run("full")
        yield seven
    finally:
        server.stop(home / "twin-home")


def main(arguments: list[str]) -> None:
    from cbm_etl_assets.metadata.catalog import load_catalog
    from cbm_etl_assets.orchestration.home import open_instance
    from cbm_etl_assets.orchestration.launch import LaunchOptions, run_tables
    from cbm_etl_assets.pipeline.results import Mode
    from cbm_etl_assets.settings import load_settings

    settings = load_settings()
    catalog = load_catalog(settings.tables_dir)
    with open_instance(settings) as instance:
        results = run_tables(instance, settings, catalog, list(catalog.values()), LaunchOptions(mode=Mode(arguments[0])))
    failed = [f"{r.table}: {r.error_message}" for r in results if r.status.value != "success"]
    if failed:
        sys.exit("\n".join(failed))
    print(json.dumps({"data_seconds": sum(r.seconds.total for r in results), "tables": len(results)}))


if __name__ == "__main__":
    main(sys.argv[1:])
