"""Platform: the settings, the specs and the open services one run works with. Wiring only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.source.port import Source
from cbm_etl_assets.warehouse.port import Warehouse


@dataclass(frozen=True)
class Platform:
    settings: Settings
    catalog: Mapping[str, TableSpec]
    source: Source
    warehouse: Warehouse
    control: Control

    def close(self) -> None:
        self.warehouse.close()
        self.control.close()


def open_platform(settings: Settings, catalog: Mapping[str, TableSpec]) -> Platform:
    """Open the services lazily: nothing is connected until used, so that `--help` and definitions stay fast and offline."""
    raise NotImplementedError
