"""The parent's side of `parse.py`: one child for the session, asked text by text; and the model check on its answers."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
VENV = ROOT / ".venv-tsql"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
MISSING = "no .venv-tsql: `make test` makes it (Microsoft's T-SQL parser)"


@dataclass(frozen=True)
class ScriptDom:
    process: subprocess.Popen[str]

    def ask(self, sql: str, want: str = "") -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"sql": sql, "want": want}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def errors(self, sql: str) -> list[Any]:
        return list(self.ask(sql)["errors"])


@contextmanager
def running() -> Iterator[ScriptDom]:
    command = [str(PYTHON), str(Path(__file__).with_name("parse.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield ScriptDom(process)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(timeout=30)


# Columns of the catalogue views our statements use (Microsoft's reference, SQL Server 2019).
SYSTEM = {
    "sys.columns": "object_id name column_id system_type_id user_type_id max_length precision scale collation_name is_nullable",
    "sys.tables": "name object_id schema_id type", "sys.schemas": "name schema_id principal_id",
    "sys.types": "name system_type_id user_type_id schema_id",
    "sys.extended_properties": "class class_desc major_id minor_id name value",
    "sys.databases": "name database_id is_read_committed_snapshot_on compatibility_level collation_name",
}  # fmt: skip


@dataclass
class Model:
    """Tables and columns our own DDL has made so far, in lower case."""

    tables: dict[str, set[str]] = field(default_factory=lambda: {name: set(text.split()) for name, text in SYSTEM.items()})

    def follow(self, statement: dict[str, Any]) -> list[str]:
        """What the statement names that is not there; its own DDL is taken in first."""
        for name, columns in statement["created"].items():
            self.tables[name.lower()] = {c.lower() for c in columns}
        for name, columns in statement["altered"].items():
            self.tables.setdefault(name.lower(), set()).update(c.lower() for c in columns)
        derived = {name.lower(): {c.lower() for c in columns} for name, columns in statement["derived"].items()}
        scopes: dict[str, set[str]] = dict(derived)
        unknown = []
        for parts, alias in statement["tables"]:
            known = self._columns(".".join(parts).lower(), derived, {a.lower() for _, a in statement["tables"] if a})
            if known is None:
                unknown.append(f"table {'.'.join(parts)}")
                continue
            scopes.setdefault((alias or parts[-1]).lower(), set()).update(known)
        return unknown + [f"column {'.'.join(parts)}" for parts in statement["columns"] if not _resolves(parts, scopes)]

    def _columns(self, name: str, derived: dict[str, set[str]], aliases: set[str]) -> set[str] | None:
        if name in derived:
            return derived[name]
        if name in aliases:  # UPDATE o ... FROM t AS o: the target is an alias
            return set()
        return self.tables.get(name)


def _resolves(parts: list[str], scopes: dict[str, set[str]]) -> bool:
    column = parts[-1].lower()
    if len(parts) == 1:
        return any(column in columns for columns in scopes.values()) or column in _DATEPARTS
    return column in scopes.get(parts[-2].lower(), set())


# ScriptDom takes the first argument of DATEADD for a column.
_DATEPARTS = {"microsecond"}
