"""The child process: reads one JSON text a line, answers with what ScriptDom (TSql150, SQL Server 2019) says of it.

Runs in .venv-tsql and imports nothing of the project. Answer: `errors` [[line, message]], `statements`: for `want` = names
the tables with their aliases, columns referred to, tables created (the model check); for tree the statements nested as they stand.
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


def text_of(node: Any, script: str) -> str:
    # A fragment may start or end with a line break; .NET counts UTF-16 units, and our texts hold no character beyond 16 bits.
    return script[node.StartOffset : node.StartOffset + node.FragmentLength]


def tree(node: Any, script: str) -> list[dict[str, Any]]:
    """Statements in order, blocks nested, for the interpreter of `engine.py`."""
    kind = node.GetType().Name
    if kind in ("TSqlScript", "TSqlBatch", "BeginEndBlockStatement", "StatementList"):
        return [told for child in children(node) for told in tree(child, script)]
    told: dict[str, Any] = {"kind": kind, "text": text_of(node, script)}
    if kind == "TryCatchStatement":
        told |= {"try": tree(node.TryStatements, script), "catch": tree(node.CatchStatements, script)}
    elif kind == "IfStatement":
        told |= {"if": text_of(node.Predicate, script), "then": tree(node.ThenStatement, script)}
    elif kind == "ThrowStatement" and node.ErrorNumber is not None:
        told |= {"number": int(node.ErrorNumber.Value), "message": node.Message.Value}
    return [told | variables(kind, node, script) | definitions(kind, node, script)]


def variables(kind: str, node: Any, script: str) -> dict[str, Any]:
    if kind == "DeclareVariableStatement":
        given = [(d, text_of(d.Value, script) if d.Value is not None else "NULL") for d in node.Declarations]
        return {"declared": [[d.VariableName.Value, text_of(d.DataType, script), value] for d, value in given]}
    if kind == "SetVariableStatement":
        return {"assigned": [[node.Variable.Name, text_of(node.Expression, script)]]}
    if kind != "SelectStatement" or any(e.GetType().Name != "SelectSetVariable" for e in node.QueryExpression.SelectElements):
        return {}
    assigned = [[e.Variable.Name, text_of(e.Expression, script)] for e in node.QueryExpression.SelectElements]
    source = node.QueryExpression.FromClause
    rest = script[source.StartOffset : node.StartOffset + node.FragmentLength].rstrip("; \n") if source is not None else ""
    return {"assigned": assigned, "from": rest}


def definitions(kind: str, node: Any, script: str) -> dict[str, Any]:
    if kind in ("CreateTableStatement", "AlterTableAddTableElementStatement"):
        columns = [[c.ColumnIdentifier.Value, text_of(c.DataType, script)] for c in node.Definition.ColumnDefinitions]
        return {"table": name_of(node.SchemaObjectName), "columns": columns}
    if kind == "AlterTableAlterColumnStatement":
        return {"table": name_of(node.SchemaObjectName), "columns": [[node.ColumnIdentifier.Value, text_of(node.DataType, script)]]}
    return {}


def answer(text: str, *, want: str) -> dict[str, Any]:
    from System.IO import StringReader

    parsed, errors = DOM.TSql150Parser(True).Parse(StringReader(text), None)
    found = [[error.Line, error.Message] for error in errors]
    told: dict[str, Any] = {"errors": found, "statements": []}
    if not found and want == "names":
        told["statements"] = statements(parsed)
    elif not found and want == "tree":
        told["statements"] = tree(parsed, text)
    return told


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(answer(request["sql"], want=request["want"])), flush=True)


if __name__ == "__main__":
    main()
