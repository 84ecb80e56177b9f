"""Warehouses by name. A dialect is one module in `warehouse.dialects` with `create(settings, now) -> Warehouse`."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Callable

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.settings import Settings
from cbm_etl_assets.warehouse.port import Warehouse

_DIALECTS = {
    "duckdb": "cbm_etl_assets.warehouse.dialects.duckdb",
    "postgresql": "cbm_etl_assets.warehouse.dialects.postgresql",
    "sqlserver": "cbm_etl_assets.warehouse.dialects.sqlserver",
}
Clock = Callable[[], dt.datetime]


def utc_now() -> dt.datetime:
    """Naive UTC, the form of every `*_at` column."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def names() -> tuple[str, ...]:
    return tuple(_DIALECTS)


def create(settings: Settings, now: Clock = utc_now) -> Warehouse:
    """Raises: ConfigurationError naming the known kinds."""
    kind = settings.warehouse.kind
    if kind not in _DIALECTS:
        raise ConfigurationError(f"CBM_WAREHOUSE__KIND is '{kind}'. Known: {', '.join(names())}.")
    warehouse: Warehouse = importlib.import_module(_DIALECTS[kind]).create(settings, now)
    return warehouse
