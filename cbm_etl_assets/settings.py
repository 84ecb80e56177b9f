"""Settings of the platform: the only module that reads the environment.

Owns the model of every setting, `load_settings()` (THE entry: init > environment > `.env` > `{env}.yaml` > `base.yaml`)
and the messages about a wrong one. Disowns connections: secrets are SecretStr and are opened where one is made.

`Settings(...)` alone sees its arguments and the environment, so that a test or a notebook is not changed by a file that
happens to lie in the working directory; relative folders are made absolute at once, because Dagster's code servers, run
workers and reader processes do not share a working directory.
"""

from __future__ import annotations

import difflib
import os
import stat
import types
import typing
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettingError

from cbm_etl_assets.errors import SettingsError
from cbm_etl_assets.sections import AlertSettings, DashboardSettings, JournalSettings, SloSettings, SqlServerSettings, StagesSettings

PACKAGE_DIR = Path(__file__).parent
PREFIX = "CBM_"
# Read by the tests only; they are no settings, and must not be taken for misspelt ones.
TEST_NAMES = frozenset({"CBM_REAL_DUMPS", "CBM_REQUIRE_REAL_DUMPS", "CBM_TEST_SQLSERVER"})
# An overlay of settings is a page; a megabyte of YAML is an accident or an attack, and is refused before it is parsed.
MAX_OVERLAY_BYTES = 256 * 1024


def _absolute(path: Path) -> Path:
    return path.expanduser().absolute()


Folder = Annotated[Path, AfterValidator(_absolute)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Environment(StrEnum):
    DEV = "DEV"
    UAT = "UAT"
    PROD = "PROD"


class SourceSettings(_Section):
    connection_string: SecretStr | None = Field(default=None, description="ODBC connection string of the source")
    dialect: Literal["openedge", "ansi"] = "openedge"
    source_schema: str = Field(default="PUB", description="default schema of `tables add`")
    timezone: str = Field(default="Europe/Paris", description="wall-clock zone of the source")
    max_connections: int = Field(default=2, ge=1, le=32, description="cap over all processes sharing CBM_HOME")
    login_timeout_seconds: int = Field(default=15, ge=0)
    query_timeout_seconds: int = Field(default=3600, ge=0)
    stall_timeout_seconds: float = Field(default=300, gt=0, description="no batch for that long = stalled link, the reader is killed")
    array_size: int = Field(default=1000, ge=1)
    batch_bytes: int = Field(default=64 * 1024 * 1024, ge=65536, description="bound of one Arrow batch buffer")
    batch_cells: int = Field(default=500_000, ge=1)
    text_bytes: int = Field(default=2048, ge=1, description="first cap of one text in the fast reader; a longer one is re-read, never cut")
    retries: int = Field(default=3, ge=0)
    retry_delay_seconds: float = Field(default=30, ge=0)
    connection_wait_seconds: float = Field(default=600, ge=0)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            raise ValueError("must be an IANA zone such as Europe/Paris or UTC") from None
        return value


class WarehouseSettings(_Section):
    kind: str = "duckdb"
    path: Folder | None = Field(default=None, description="DuckDB file; default CBM_HOME/warehouse.duckdb")
    connection_string: SecretStr | None = None
    lock_wait_seconds: float = Field(default=60, ge=0, description="wait for the file while another process has it")
    retries: int = Field(default=3, ge=0)
    retry_delay_seconds: float = Field(default=45, ge=0)
    views_schema: str = Field(default="bi", pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=63, description="of `tables views`")
    sqlserver: SqlServerSettings = SqlServerSettings()


class ControlSettings(_Section):
    url: SecretStr | None = Field(default=None, description="SQLAlchemy URL; default SQLite files under CBM_HOME/control")
    auto_upgrade: bool = Field(default=True, description="migrate at the first use; false: only `cbm-etl db upgrade` does")


class LakeSettings(_Section):
    url: str | None = Field(default=None, description="folder or fsspec URL; default CBM_HOME/lake")
    storage_options: dict[str, SecretStr] = Field(default_factory=dict)
    retention_days: int = Field(default=30, ge=0)

    @field_validator("url")
    @classmethod
    def _folder_is_absolute(cls, value: str | None) -> str | None:
        return value if value is None or "://" in value else str(_absolute(Path(value)))


class LoadSettings(_Section):
    table_wait_seconds: float = Field(default=30, ge=0, description="wait for a table another run holds, then exit code 3")
    lock_ttl_seconds: float = Field(default=120, gt=0, description="a lock not renewed for that long may be taken over")
    dirty_read_minutes: float = Field(default=30, ge=0, description="rows stamped that shortly before a read are read again by key")
    threads: int = Field(default=2, ge=1, description="tables loaded at once by the CLI")
    sla_hours: float = Field(default=24, gt=0)


class BreakerSettings(_Section):
    """The circuit breakers of source and warehouse."""

    failures: int = Field(default=5, ge=0, description="loads in a row that end in an outage and open the breaker; 0 = it never opens")
    cool_down_seconds: float = Field(default=300, ge=0, description="an open breaker lets one probe through after that long")


class ObservabilitySettings(_Section):
    metrics_file: Folder | None = Field(default=None, description="Prometheus text written at the end of runs, for a textfile collector")
    otlp_endpoint: str | None = Field(default=None, description="OTLP/HTTP collector, e.g. http://localhost:4318; needs the extra `otel`")
    otlp_headers: dict[str, SecretStr] = Field(default_factory=dict, description="headers of the OTLP export, JSON (secret)")
    stalled_daemon_minutes: float = Field(default=5, gt=0, description="no heartbeat of Dagster's daemon for that long = it is down")
    min_free_percent: float = Field(default=10, ge=0, lt=100, description="`health` warns when a disk has less than that free")


class QualitySettings(_Section):
    custom_modules: tuple[str, ...] = Field(
        default=(), description='modules whose functions a `custom` rule may call, as JSON: ["cbm_checks"]; none by default'
    )


def _default_tables(known: dict[str, Any]) -> Path:
    """Own tables replace the packaged ones of the demo; a package's folder is no place to write to."""
    own: Path = known.get("home", Path(".cbm")) / "tables"
    return own if own.is_dir() else PACKAGE_DIR / "tables"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", hide_input_in_errors=True, frozen=True,
        validate_default=True,
    )  # fmt: skip

    home: Folder = Field(default=Path(".cbm"), description="all state lives under it")
    tables_dir: Folder = Field(default_factory=_default_tables, description="one YAML a table; default CBM_HOME/tables, else the demo's")
    config_dir: Folder = Field(default=Path("config"), description="base.yaml and {env}.yaml")
    env: Environment = Environment.DEV
    source: SourceSettings = SourceSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    control: ControlSettings = ControlSettings()
    lake: LakeSettings = LakeSettings()
    load: LoadSettings = LoadSettings()
    stages: StagesSettings = StagesSettings()
    quality: QualitySettings = QualitySettings()
    alerts: AlertSettings = AlertSettings()
    dashboard: DashboardSettings = DashboardSettings()
    slo: SloSettings = SloSettings()
    journal: JournalSettings = JournalSettings()
    observability: ObservabilitySettings = ObservabilitySettings()
    breaker: BreakerSettings = BreakerSettings()

    @property
    def warehouse_path(self) -> Path:
        return self.warehouse.path or self.home / "warehouse.duckdb"

    @property
    def lake_url(self) -> str:
        return self.lake.url or str(self.home / "lake")

    @property
    def control_dir(self) -> Path:
        return self.home / "control"

    @property
    def log_dir(self) -> Path:
        return self.home / "logs"

    def secrets(self) -> tuple[str, ...]:
        """Every secret in clear, for redaction only."""
        held = [self.source.connection_string, self.warehouse.connection_string, self.control.url, *self.lake.storage_options.values()]
        held += [*self.alerts.secrets(), *self.dashboard.environments.values(), *self.observability.otlp_headers.values()]
        return tuple(s.get_secret_value() for s in held if s is not None and s.get_secret_value())


def inherited_environment() -> dict[str, str]:
    """What a child process inherits: PATH, the locale, the ODBC manager's own variables."""
    return dict(os.environ)


def secret_from(name: str) -> SecretStr:
    """The value of an environment variable an option names, so that a password never stands on a command line. Raises: SettingsError."""
    value = os.environ.get(name, "")
    if not value:
        raise SettingsError(f"The environment variable '{name}' is not set, or empty.", remedy=f"export {name}=...")
    return SecretStr(value)


def load_settings(*, env_file: Path = Path(".env"), **overrides: Any) -> Settings:
    """Read the settings from everywhere. Raises: SettingsError naming the variable, its value unless secret, and what is accepted."""
    refuse_misspelt(os.environ, "the environment")
    environment = _environment(os.environ.get("CBM_ENV"))
    dotenv = _read_dotenv(env_file, environment)
    origins = dict.fromkeys(dotenv, env_file.name) | {name.upper(): "the environment" for name in os.environ}
    config_dir = os.environ.get("CBM_CONFIG_DIR") or dotenv.get("CBM_CONFIG_DIR")
    merged = _read_overlays(Path(config_dir or "config"), environment, must_exist=bool(config_dir))
    try:
        if dotenv:
            merged = _merge(merged, DotEnvSettingsSource(Settings, env_file=env_file, dotenv_filtering="only_existing")())
        merged = _merge(_merge(merged, EnvSettingsSource(Settings)()), overrides)
        return Settings(**merged)
    except UnreadableSettingError as error:
        remedy = "write a section's JSON in full, or one variable a field"
        raise SettingsError(f"A CBM_* variable in the environment or {env_file} is not readable: {error}.", remedy=remedy) from None
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(e, origins) for e in error.errors(include_url=False))) from None


# --- names -------------------------------------------------------------------------------------------------------------


def _variants(annotation: Any) -> Iterator[Any]:
    """The alternatives of an annotation: `SecretStr | None` -> SecretStr, None."""
    if get_origin(annotation) in (typing.Union, types.UnionType):
        for one in get_args(annotation):
            yield from _variants(one)
    else:
        yield annotation


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    return next((v for v in _variants(field.annotation) if isinstance(v, type) and issubclass(v, BaseModel)), None)


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """By the names people write."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def known_names(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> tuple[str, ...]:
    """Every variable, e.g. CBM_HOME, CBM_SOURCE, CBM_SOURCE__DIALECT; a section takes a JSON text too."""
    names: list[str] = []
    for name, field in _fields(model).items():
        names.append(prefix + name.upper())
        if section := _section_of(field):
            names += known_names(section, f"{prefix}{name.upper()}__")
    return tuple(names)


def refuse_misspelt(names: Mapping[str, Any], where: str) -> None:
    """Raises: SettingsError for every CBM_* name nobody reads, with the nearest known one."""
    known = known_names()
    wrong = []
    for name in sorted(n for n in names if n.upper().startswith(PREFIX)):
        upper = name.upper()
        if upper in known or upper in TEST_NAMES or upper.startswith("CBM_LAKE__STORAGE_OPTIONS__"):
            continue
        near = difflib.get_close_matches(upper, known, n=1)
        wrong.append(f"Unknown setting '{name}' in {where}. " + (f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."))
    if wrong:
        raise SettingsError("\n".join(wrong), remedy="correct or unset it: a setting nobody reads would be silently ignored")


def _explain(error: Any, origins: Mapping[str, str]) -> str:
    """One sentence on one wrong setting. The value is shown only where the field cannot hold a secret."""
    path = [str(part) for part in error["loc"]]
    name, field = PREFIX + "__".join(path).upper(), _field(path)
    spellings = ["__".join([PREFIX + path[0].upper(), *path[1:depth]]).upper() for depth in range(len(path), 0, -1)]
    where = next((origins[s] for s in spellings if s in origins), f"the overlays of {PREFIX}CONFIG_DIR")
    value = error["input"]
    shown = f" = {value!r}" if field and not _is_secret(field) and isinstance(value, str | int | float) else ""
    message = str(error["msg"]).removeprefix("Value error, ")
    about = f" ({field.description})" if field and field.description else ""
    return f"{name}{shown} in {where} is not accepted: {message}{about}."


def _field(path: list[str]) -> FieldInfo | None:
    model: type[BaseModel] | None = Settings
    field: FieldInfo | None = None
    for part in path:
        field = _fields(model).get(part) if model else None
        model = _section_of(field) if field else None
    return field


def _is_secret(field: FieldInfo) -> bool:
    """A section counts as one: its JSON text may carry a password."""
    return _section_of(field) is not None or "SecretStr" in repr(field.annotation)


# --- files -------------------------------------------------------------------------------------------------------------


def _environment(value: str | None) -> Environment:
    if not value:
        return Environment.DEV
    try:
        return Environment(value)
    except ValueError:
        raise SettingsError(f"CBM_ENV = {value!r} is not accepted. Known: {', '.join(Environment)}.") from None


def _read_dotenv(path: Path, environment: Environment) -> dict[str, str]:
    """The names and values of `.env`, upper-case; empty outside DEV. Raises: SettingsError."""
    if not path.is_file():
        return {}
    if environment is not Environment.DEV:
        if environment is Environment.PROD and os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"{path} can be read by others (mode {stat.S_IMODE(path.stat().st_mode):o}) on a PROD machine.",
                remedy=f"chmod 600 {path}, or remove it: in PROD settings come from the environment, never from .env",
            )
        return {}
    from dotenv import dotenv_values

    values = {name.upper(): value or "" for name, value in dotenv_values(path, encoding="utf-8").items()}
    refuse_misspelt(values, str(path))
    if (declared := values.get("CBM_ENV", "")) not in ("", Environment.DEV):
        raise SettingsError(f"CBM_ENV = {declared!r} in {path}: .env is read in DEV only.", remedy="set CBM_ENV in the process environment")
    return {name: value for name, value in values.items() if name.startswith(PREFIX)}


def _read_overlays(folder: Path, environment: Environment, *, must_exist: bool) -> dict[str, Any]:
    if must_exist and not folder.is_dir():
        raise SettingsError(f"CBM_CONFIG_DIR = '{folder}' is not a folder.", remedy="create it, or unset CBM_CONFIG_DIR")
    merged: dict[str, Any] = {}
    for path in (folder / "base.yaml", folder / f"{environment.lower()}.yaml"):
        if path.is_file():
            merged = _merge(merged, _read_overlay(path))
    return merged


def _read_overlay(path: Path) -> dict[str, Any]:
    import yaml

    if path.stat().st_size > MAX_OVERLAY_BYTES:
        raise SettingsError(f"{path} has {path.stat().st_size} bytes; an overlay of settings has at most {MAX_OVERLAY_BYTES}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text (byte {error.start}).") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        raise SettingsError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path} must hold a mapping such as 'source: {{dialect: openedge}}', not a {type(values).__name__}.")
    _refuse_unknown_keys(values, Settings, path, "")
    return values


def _refuse_unknown_keys(values: Mapping[Any, Any], model: type[BaseModel], path: Path, prefix: str) -> None:
    known = [n for n in _fields(model) if prefix or n not in ("env", "config_dir")]
    for key, value in values.items():
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"Did you mean '{prefix}{near[0]}'?" if near else f"Known: {', '.join(prefix + k for k in known)}."
            remedy = "" if prefix else "CBM_ENV and CBM_CONFIG_DIR are set in the environment"
            raise SettingsError(f"{path}: unknown setting '{prefix}{key}'. {hint}", remedy=remedy)
        if (section := _section_of(_fields(model)[key])) and isinstance(value, Mapping):
            _refuse_unknown_keys(value, section, path, f"{prefix}{key}.")


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        held = merged.get(key)
        merged[key] = _merge(held, value) if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return merged
