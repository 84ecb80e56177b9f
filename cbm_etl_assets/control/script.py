"""The control database's DDL as one script that a person can read and run by hand.

Owns the order and the separators. The version rows are part of it, so that the program finds nothing left to do.
"""

from __future__ import annotations

from cbm_etl_assets.control.sql import migrations, script

_SEPARATOR = {"sqlserver": "\nGO\n"}  # CREATE VIEW must stand alone in its batch


def ddl_script(dialect: str) -> str:
    """Every statement of a new database, in order. Raises: ConfigurationError naming the known dialects."""
    parts = [f"-- Control database of cbm_etl_assets, {dialect}. `cbm-etl db upgrade` does the same, and moves older tables aside."]
    known = migrations(dialect)
    parts += [sql + ";" for sql in script(dialect, "baseline")]
    for schema, number, name in known:
        parts.append(f"-- {name}")
        parts += [sql + ";" for sql in script(dialect, name)]
        parts.append(_VERSION[dialect].format(schema=schema, number=number, name=name))
    return _SEPARATOR.get(dialect, "\n").join(parts)


_VERSION = {
    "sqlite": "INSERT INTO {schema}.Schema_Version (Version, Name, AppliedUtc) VALUES ({number}, '{name}', CURRENT_TIMESTAMP);",
    "postgresql": "INSERT INTO {schema}.Schema_Version (Version, Name, AppliedUtc) VALUES ({number}, '{name}', CURRENT_TIMESTAMP);",
    "sqlserver": "INSERT INTO {schema}.Schema_Version (Version, Name, AppliedUtc) VALUES ({number}, N'{name}', SYSUTCDATETIME());",
}
