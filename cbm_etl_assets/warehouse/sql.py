"""SQL files and the typed values that fill them.

`Statements(dialect_dir, quote, type_name)` finds `sql/<dialect>/<purpose>/<name>.sql`, fills it with identifiers and
column lists (types, never bare strings) and returns text; values travel as bound parameters. The files are shipped as
`cbm_etl_assets/_sql` in a wheel and read from `../sql` in a checkout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.metadata.types import LogicalType

PACKAGE = Path(__file__).parent.parent
Quote = Callable[[str], str]
TypeName = Callable[[LogicalType], str]


@cache
def sql_root() -> Path:
    """The folder of the SQL files. Raises: ConfigurationError when neither place has it (a broken install)."""
    for folder in (PACKAGE / "_sql", PACKAGE.parent / "sql"):
        if folder.is_dir():
            return folder
    raise ConfigurationError(f"No SQL files beside {PACKAGE.name}.", remedy="install the wheel again, or run from a checkout")


@dataclass(frozen=True)
class Ident:
    """A possibly qualified name: Ident(('ods', 'client'))."""

    parts: tuple[str, ...]
    quote: Quote

    def __str__(self) -> str:
        return ".".join(self.quote(part) for part in self.parts)


@dataclass(frozen=True)
class Columns:
    """A column list. Empty lists render as nothing, so a template decides what that means."""

    columns: tuple[tuple[str, LogicalType | None], ...]
    quote: Quote
    type_name: TypeName

    def __str__(self) -> str:
        return ", ".join(self.quote(name) for name, _ in self.columns)

    @cached_property
    def of_s(self) -> str:
        return ", ".join(f"s.{self.quote(name)}" for name, _ in self.columns)

    @cached_property
    def types(self) -> str:
        return ", ".join(self.type_name(kind) for _, kind in self.columns if kind)

    @cached_property
    def definitions(self) -> str:
        return ",\n    ".join(f"{self.quote(name)} {self.type_name(kind)}" for name, kind in self.columns if kind)


@dataclass(frozen=True)
class Fragment:
    """Text built by a dialect from Idents and Columns only (an ORDER BY list, a comparison)."""

    text: str

    def __str__(self) -> str:
        return self.text


Value = Ident | Columns | Fragment


@dataclass(frozen=True)
class Statements:
    """The statements of one dialect."""

    dialect: str
    quote: Quote
    type_name: TypeName

    def ident(self, *parts: str) -> Ident:
        return Ident(parts, self.quote)

    def columns(self, columns: Sequence[tuple[str, LogicalType | None]]) -> Columns:
        return Columns(tuple(columns), self.quote, self.type_name)

    def names(self, names: Sequence[str]) -> Columns:
        return self.columns([(name, None) for name in names])

    def render(self, name: str, **values: Value | str) -> str:
        """`name` is '<purpose>/<file without .sql>'. Raises: ConfigurationError on an unknown file, a bare string or a
        placeholder nobody filled."""
        wrong = [key for key, value in values.items() if isinstance(value, str)]
        if wrong:
            raise ConfigurationError(f"SQL '{name}': {', '.join(wrong)} must be Ident, Columns or Fragment, not text.")
        return str(_template(self.dialect, name).render(**values))


@cache
def _template(dialect: str, name: str):  # type: ignore[no-untyped-def]  # jinja2.Template: imported late, 60 ms
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701  SQL, not HTML
    path = sql_root() / dialect / f"{name}.sql"
    if not path.is_file():
        known = sorted(str(p.relative_to(sql_root() / dialect).with_suffix("")) for p in (sql_root() / dialect).rglob("*.sql"))
        raise ConfigurationError(f"Unknown SQL file '{name}' of dialect '{dialect}'. Known: {', '.join(known)}.")
    return environment.from_string(path.read_text(encoding="utf-8"))
