"""The child process: reads one JSON text a line, answers with what ScriptDom (TSql150, SQL Server 2019) says of it.

Runs in .venv-tsql and imports nothing of the project. Answer: `errors` [[line, message]], `statements` (tables with their
aliases, columns referred to, tables created) for the model check.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1"


def load_parser() -> Any:
    import dotnetcore2
    import mssqlcli
    from pythonnet import load

    root = Path(dotnetcore2.__file__).parent / "bin"
    version = sorted(p.name for p in (root / "shared" / "Microsoft.NETCore.App").iterdir())[-1]
    config = Path(sys.prefix) / "scriptdom.runtimeconfig.json"
    framework = {"name": "Microsoft.NETCore.App", "version": version}
    config.write_text(json.dumps({"runtimeOptions": {"tfm": "netcoreapp3.1", "framework": framework}}))
    load("coreclr", runtime_config=str(config), dotnet_root=str(root))
    import clr

    sys.path.append(str(Path(mssqlcli.__file__).parent / "mssqltoolsservice" / "bin"))
    clr.AddReference("Microsoft.SqlServer.TransactSql.ScriptDom")
    from Microsoft.SqlServer.TransactSql import ScriptDom

    return ScriptDom


DOM = load_parser()
_SKIPPED = {"ScriptTokenStream", "FirstTokenIndex", "LastTokenIndex", "StartOffset", "FragmentLength", "StartLine", "StartColumn"}
_PROPERTIES: dict[str, list[str]] = {}


def children(node: Any) -> list[Any]:
    """Fragments directly below, through whatever property holds them."""
    kind = node.GetType().FullName
    if kind not in _PROPERTIES:
        found = [p.Name for p in node.GetType().GetProperties() if not p.GetIndexParameters().Length and p.Name not in _SKIPPED]
        _PROPERTIES[kind] = found
    below: list[Any] = []
    for name in _PROPERTIES[kind]:
        value = getattr(node, name, None)
        if isinstance(value, DOM.TSqlFragment):
            below.append(value)
        elif hasattr(value, "GetEnumerator") and not isinstance(value, str):
            below += [item for item in value if isinstance(item, DOM.TSqlFragment)]
    return below


def name_of(schema_object: Any) -> list[str]:
    return [identifier.Value for identifier in schema_object.Identifiers]


class Statement:
    """What one statement speaks of, whatever the nesting."""

    def __init__(self) -> None:
        self.tables: list[list[Any]] = []  # [[parts], alias]
        self.derived: dict[str, list[str]] = {}  # alias or CTE -> columns
        self.columns: list[list[str]] = []
        self.created: dict[str, list[str]] = {}
        self.altered: dict[str, list[str]] = {}

    def visit(self, node: Any) -> None:
        kind = node.GetType().Name
        handler = getattr(self, f"on_{kind}", None)
        if handler is not None:
            handler(node)
        for child in children(node):
            self.visit(child)

    def on_NamedTableReference(self, node: Any) -> None:
        self.tables.append([name_of(node.SchemaObject), node.Alias.Value if node.Alias else None])

    def on_QueryDerivedTable(self, node: Any) -> None:
        self.derived[node.Alias.Value] = selected(node.QueryExpression)

    def on_CommonTableExpression(self, node: Any) -> None:
        self.derived[node.ExpressionName.Value] = selected(node.QueryExpression)

    def on_ColumnReferenceExpression(self, node: Any) -> None:
        if node.MultiPartIdentifier is not None:
            self.columns.append([identifier.Value for identifier in node.MultiPartIdentifier.Identifiers])

    def on_CreateTableStatement(self, node: Any) -> None:
        self.created[".".join(name_of(node.SchemaObjectName))] = [c.ColumnIdentifier.Value for c in node.Definition.ColumnDefinitions]

    def on_AlterTableAddTableElementStatement(self, node: Any) -> None:
        self.altered[".".join(name_of(node.SchemaObjectName))] = [c.ColumnIdentifier.Value for c in node.Definition.ColumnDefinitions]

    def on_AlterTableAlterColumnStatement(self, node: Any) -> None:
        self.tables.append([name_of(node.SchemaObjectName), None])
        self.columns.append([node.ColumnIdentifier.Value])

    def on_CreateIndexStatement(self, node: Any) -> None:
        self.tables.append([name_of(node.OnName), None])

    def told(self) -> dict[str, Any]:
        return {
            "tables": self.tables, "derived": self.derived, "columns": self.columns, "created": self.created, "altered": self.altered,
        }  # fmt: skip


def selected(query: Any) -> list[str]:
    """Names of the select list; a star is '*'."""
    names = []
    for element in query.SelectElements:
        named = getattr(element, "ColumnName", None)
        expression = getattr(element, "Expression", None)
        if named is not None:
            names.append(named.Value)
        elif expression is not None and hasattr(expression, "MultiPartIdentifier"):
            names.append(list(expression.MultiPartIdentifier.Identifiers)[-1].Value)
        else:
            names.append("*")
    return names


_BLOCKS = ("BeginEndBlockStatement", "TryCatchStatement", "IfStatement", "StatementList")


def statements(node: Any) -> list[dict[str, Any]]:
    """Leaf statements in order; blocks are opened."""
    kind = node.GetType().Name
    if kind in ("TSqlScript", "TSqlBatch", *_BLOCKS):
        return [told for child in children(node) for told in statements(child)]
    if not isinstance(node, DOM.TSqlStatement):
        return []
    statement = Statement()
    statement.visit(node)
    return [statement.told()]


def answer(text: str, *, model: bool) -> dict[str, Any]:
    from System.IO import StringReader

    tree, errors = DOM.TSql150Parser(True).Parse(StringReader(text), None)
    found = [[error.Line, error.Message] for error in errors]
    return {"errors": found, "statements": statements(tree) if model and not found else []}


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answer(request["sql"], model=request["model"])), flush=True)


if __name__ == "__main__":
    main()
