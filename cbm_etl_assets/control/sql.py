"""SQL files of the control database: where they lie, how they are split, which names they spell.

Owns reading. Knows nothing of connections.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cbm_etl_assets.errors import ConfigurationError
from cbm_etl_assets.settings import PACKAGE_DIR

_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_OBJECT = re.compile(r"CREATE (?P<kind>TABLE|VIEW)(?: IF NOT EXISTS)? (?P<schema>etl|config)\.(?P<name>\w+)")
_MIGRATION = re.compile(r"^(?P<number>\d{4})_(?P<schema>etl|config)_\w+\.sql$")


@lru_cache(maxsize=1)
def control_dir() -> Path:
    """A wheel carries `_sql` inside the package; a checkout has `sql` beside it."""
    packed = PACKAGE_DIR / "_sql"
    return (packed if packed.is_dir() else PACKAGE_DIR.parent / "sql") / "control"


@lru_cache(maxsize=256)
def statement(name: str) -> str:
    """The one statement of `common/<name>.sql`."""
    return split((control_dir() / "common" / f"{name}.sql").read_text(encoding="utf-8"))[0]


def split(script: str) -> list[str]:
    """Our files end every statement with ';' at the end of a line and hold none inside strings."""
    parts = re.split(r";\s*(?:\n|$)", _COMMENT.sub("", script))
    return [part.strip() for part in parts if part.strip()]


def script(dialect: str, name: str) -> list[str]:
    """The statements of `<dialect>/<name>.sql`; none when the dialect needs no such file."""
    path = control_dir() / dialect / f"{name}.sql"
    return split(path.read_text(encoding="utf-8")) if path.exists() else []


def migrations(dialect: str) -> list[tuple[str, int, str]]:
    """(schema, number, file stem) in order. Raises: ConfigurationError for a dialect without migrations."""
    folder = control_dir() / dialect
    found = [(m["schema"], int(m["number"]), p.stem) for p in sorted(folder.glob("*.sql")) if (m := _MIGRATION.match(p.name))]
    if not found:
        known = ", ".join(sorted(p.name for p in control_dir().iterdir() if p.is_dir() and p.name != "common"))
        raise ConfigurationError(
            f"The control database cannot live in '{dialect}'. Known: {known}.", remedy="set CBM_CONTROL__URL to one of these"
        )
    return found


def rendered(dialect: str, name: str, **words: str) -> list[str]:
    """The statements of a file with `{word}` in it. The words are constants of this package, never a database's or a user's."""
    return [sql.format(**words) for sql in script(dialect, name)]


@dataclass(frozen=True)
class DbObject:
    """`kind` is table|view."""

    schema: str
    name: str
    kind: str


@lru_cache(maxsize=8)
def own_objects(dialect: str) -> frozenset[DbObject]:
    """Every table and view our migrations create."""
    texts = [sql for _, _, stem in migrations(dialect) for sql in script(dialect, stem)]
    found = [match for text in texts if (match := _OBJECT.search(text))]
    return frozenset(DbObject(m["schema"], m["name"], m["kind"].lower()) for m in found)


@lru_cache(maxsize=8)
def spellings(dialect: str) -> dict[str, str]:
    """Lower case -> the spelling of the DDL, for databases that fold unquoted names (PostgreSQL answers `tablename`)."""
    files = [control_dir() / dialect / "baseline.sql", *sorted((control_dir() / dialect).glob("0*.sql"))]
    texts = [p.read_text(encoding="utf-8") for p in files]
    words = re.findall(r"\b[A-Z]\w*[a-z]\w*\b", "\n".join(_COMMENT.sub("", t) for t in texts))
    return {word.lower(): word for word in words}
