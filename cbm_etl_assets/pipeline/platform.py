"""Platform: the settings, the specs and the open services one run works with. Wiring only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.lake.lake import Lake
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.retry import Clockwork
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.source.dialects import dialect
from cbm_etl_assets.source.port import Source
from cbm_etl_assets.warehouse.port import Warehouse

if TYPE_CHECKING:
    from cbm_etl_assets.source.pool import WorkerPool
    from cbm_etl_assets.transform.rows import RowTransform


def utc_now() -> dt.datetime:
    """Aware UTC: the host's clock, for journals only; order in the data is by seq and the source's clock."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Platform:
    """Services are Protocols: a test may put a fake at each seam."""

    settings: Settings
    catalog: Mapping[str, TableSpec]
    source: Source
    lake: Lake
    warehouse: Warehouse
    control: Control
    now: Callable[[], dt.datetime] = utc_now
    clockwork: Clockwork = field(default_factory=Clockwork)

    def transform(self, spec: TableSpec) -> RowTransform:
        from cbm_etl_assets.transform.rows import RowTransform  # polars: 0.4 s, paid while the reader fetches

        return RowTransform(spec, case_insensitive_keys=dialect(self.settings.source.dialect).case_insensitive_keys)

    def close(self) -> None:
        self.source.close()
        self.warehouse.close()
        self.control.close()


def open_platform(settings: Settings, catalog: Mapping[str, TableSpec], pool: WorkerPool | None = None) -> Platform:
    """Open the services lazily: nothing is connected until used, so that `--help` and definitions stay fast and offline."""
    from cbm_etl_assets.control.store import ControlStore
    from cbm_etl_assets.source.odbc import OdbcSource
    from cbm_etl_assets.warehouse import registry

    warehouse = registry.create(settings)
    return Platform(
        settings=settings,
        catalog=catalog,
        source=OdbcSource(settings, pool, warehouse.capabilities.unstorable),
        lake=Lake.from_settings(settings),
        warehouse=warehouse,
        control=ControlStore(settings),
    )
