"""Settings of the platform: the only module that reads the environment.

Order: init > environment (`CBM_*`, nested with `__`) > `.env` (DEV only) > `{env}.yaml` over `base.yaml` in CBM_CONFIG_DIR.
Secrets are SecretStr; they are opened where a connection is made, never at import.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PACKAGE_DIR = Path(__file__).parent


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Environment(StrEnum):
    DEV = "DEV"
    UAT = "UAT"
    PROD = "PROD"


class SourceSettings(_Section):
    connection_string: SecretStr | None = None
    dialect: Literal["openedge", "ansi"] = "openedge"
    source_schema: str = Field(default="PUB", description="default schema of `tables add`")
    timezone: str = Field(default="Europe/Paris", description="wall-clock zone of the source")
    max_connections: int = Field(default=2, ge=1, le=32, description="cap over all processes sharing CBM_HOME")
    login_timeout_seconds: int = 15
    query_timeout_seconds: int = 3600
    stall_timeout_seconds: float = Field(default=300, description="no batch for that long = stalled link, the reader is killed")
    array_size: int = Field(default=1000, ge=1)
    batch_bytes: int = Field(default=64 * 1024 * 1024, description="bound of one Arrow batch buffer")
    batch_cells: int = 500_000
    text_bytes: int = Field(default=2048, description="first cap of one text value in the fast reader; a longer one is re-read, never cut")
    retries: int = Field(default=3, ge=0)
    retry_delay_seconds: float = 30
    connection_wait_seconds: float = 600


class WarehouseSettings(_Section):
    kind: str = "duckdb"
    path: Path | None = Field(default=None, description="DuckDB file; default CBM_HOME/warehouse.duckdb")
    connection_string: SecretStr | None = None
    lock_wait_seconds: float = Field(default=60, description="wait for the file while another process has it")
    retries: int = 3
    retry_delay_seconds: float = 5


class ControlSettings(_Section):
    url: SecretStr | None = Field(default=None, description="SQLAlchemy URL; default SQLite files under CBM_HOME/control")


class LakeSettings(_Section):
    url: str | None = Field(default=None, description="folder or fsspec URL; default CBM_HOME/lake")
    storage_options: dict[str, SecretStr] = Field(default_factory=dict)
    retention_days: int = 30


class LoadSettings(_Section):
    table_wait_seconds: float = Field(default=30, description="wait for a table another run holds, then exit code 3")
    lock_ttl_seconds: float = Field(default=120, description="a lock not renewed for that long may be taken over")
    threads: int = Field(default=2, ge=1, description="tables loaded at once by the CLI")
    sla_hours: float = 24


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="CBM_", env_nested_delimiter="__", extra="ignore", hide_input_in_errors=True, frozen=True)

    home: Path = Path(".cbm")
    tables_dir: Path = PACKAGE_DIR / "tables"
    config_dir: Path = Path("config")
    env: Environment = Environment.DEV
    source: SourceSettings = SourceSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    control: ControlSettings = ControlSettings()
    lake: LakeSettings = LakeSettings()
    load: LoadSettings = LoadSettings()

    @property
    def warehouse_path(self) -> Path:
        return self.warehouse.path or self.home / "warehouse.duckdb"

    @property
    def lake_url(self) -> str:
        return self.lake.url or str(self.home / "lake")

    @property
    def control_dir(self) -> Path:
        return self.home / "control"
