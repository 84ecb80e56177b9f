"""Marts: one SQL file in sql/marts = one asset downstream of the ODS, run through dagster-duckdb's resource.

An example of what users write themselves. The header of a file says which ODS tables it reads (`-- reads: client`) and
what it is (`-- about: ...`); a mart whose tables are not all in the catalogue has no asset.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from cbm_etl_assets.errors import SpecError, TransientWarehouseError, WarehouseError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.orchestration.assets import WRITER_POOL
from cbm_etl_assets.orchestration.failures import as_failure
from cbm_etl_assets.orchestration.names import asset_key
from cbm_etl_assets.orchestration.reaper import mark_owner
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse.sql import sql_root

_HEADER = re.compile(r"^--\s*(reads|about):\s*(.+?)\s*$", re.MULTILINE)
LOCKED = ("could not set lock", "conflicting lock", "different configuration")


@dataclass(frozen=True)
class Mart:
    name: str
    reads: tuple[str, ...]
    about: str
    sql: str

    @classmethod
    def parse(cls, name: str, sql: str) -> "Mart":
        """Raises: SpecError when the header does not say what the file reads."""
        header = dict(_HEADER.findall(sql))
        if "reads" not in header:
            what = f"sql/marts/{name}.sql does not say which ODS tables it reads."
            raise SpecError(what, remedy="begin it with: -- reads: client lignecli")
        return cls(name, tuple(header["reads"].split()), header.get("about", ""), sql)

    @property
    def key(self) -> dg.AssetKey:
        return asset_key("marts", self.name)


def find_marts(catalog: Mapping[str, TableSpec], folder: Path | None = None) -> list[Mart]:
    known = {spec.name for spec in catalog.values()}
    files = sorted((folder or sql_root() / "marts").glob("*.sql"))
    marts = [Mart.parse(path.stem, path.read_text(encoding="utf-8")) for path in files]
    return [mart for mart in marts if known.issuperset(mart.reads)]


def mart_assets(marts: Sequence[Mart], settings: Settings) -> list[dg.AssetsDefinition]:
    return [_mart_asset(mart, settings) for mart in marts]


def _mart_asset(mart: Mart, settings: Settings) -> dg.AssetsDefinition:
    from dagster_duckdb import DuckDBResource

    @dg.asset(
        key=mart.key, deps=[asset_key("ods", table) for table in mart.reads], description=mart.about, group_name="marts",
        kinds={"duckdb", "sql"}, pool=WRITER_POOL,
    )  # fmt: skip
    def build(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
        mark_owner(context.instance, context.run)
        failure: dg.Failure | None = None
        try:
            rows = run_mart(mart, duckdb, settings)
        except Exception as error:  # noqa: BLE001  a driver's text goes to the event log redacted only
            failure = as_failure(error, mart.name, settings)
        if failure is not None:
            raise failure from None
        return dg.MaterializeResult(metadata={"dagster/row_count": rows, "sql": dg.MetadataValue.md(f"```sql\n{mart.sql}\n```")})

    return build


def run_mart(mart: Mart, duckdb: Any, settings: Settings) -> int:
    """Rebuild the mart in one transaction. Returns its rows. Raises: WarehouseError, TransientWarehouseError."""
    if not settings.warehouse_path.exists():
        # Opening would create the file in place, and a kill at that moment leaves one that can never be opened.
        raise WarehouseError(f"There is no warehouse file for mart '{mart.name}' yet.", remedy="load its tables first: cbm-etl run")
    with open_duckdb(duckdb) as connection:
        connection.execute("BEGIN TRANSACTION")
        connection.execute(mart.sql)
        connection.execute("COMMIT")
        return len(connection.table(f"marts.{mart.name}"))


@contextmanager
def open_duckdb(duckdb: Any) -> Iterator[Any]:
    """A connection of a DuckDBResource that is closed even when the body raises.

    The resource waits for a locked file by itself: ten tries, about 100 s. Raises: TransientWarehouseError after those.
    """
    try:
        connection = duckdb.get_connection().__enter__()
    except Exception as error:
        if any(word in str(error).lower() for word in LOCKED):
            raise TransientWarehouseError("The warehouse file stayed locked by another process.", remedy="close what holds it") from None
        raise
    with closing(connection):
        yield connection
