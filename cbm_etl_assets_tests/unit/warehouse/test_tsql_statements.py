"""Every T-SQL text we can send: parsed by Microsoft's own parser, its names resolved against the tables our DDL makes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.warehouse.dialects.sqlserver_statements import SqlServerStatements, differs, make_statements, same
from cbm_etl_assets.warehouse.sql import Value, sql_root
from cbm_etl_assets_tests.tsql import matrix
from cbm_etl_assets_tests.tsql.scriptdom import Model, ScriptDom

FOLDER = sql_root() / "sqlserver"
TEMPLATES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.sql") if path.parent.name != "grants")
SPECS = matrix.specs()


@pytest.fixture
def parser(tsql_parser: ScriptDom) -> ScriptDom:
    return tsql_parser


def marked(text: str) -> str:
    """Placeholders as the driver sends them. No text of ours holds a '?' of its own."""
    return text.replace("?", "@P")


@cache
def sent(name: str, layout: str) -> tuple[tuple[str, str], ...]:
    """(scene, text) of everything sent for that spec, each text once."""
    found: dict[str, str] = {}
    for server, scene in matrix.conversation(SPECS[name], matrix.LAYOUTS[layout]):
        for text, values in server.sent:
            rows = values if values and isinstance(values[0], tuple) else (values,)
            assert all(text.count("?") == len(row) for row in rows), f"{scene}: {text}"
            found.setdefault(text, scene)
    return tuple((scene, text) for text, scene in found.items())


CASES = [(name, "plain") for name in SPECS] + [(name, other) for name in ("2 keys, history", "no key") for other in ("page", "columnstore")]


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_every_statement_is_t_sql(parser: ScriptDom, name: str, layout: str) -> None:
    wrong = [(scene, errors, text[:500]) for scene, text in sent(name, layout) if (errors := parser.errors(marked(text)))]
    assert not wrong


@pytest.mark.parametrize("name", [n for n in SPECS if n != "600 columns"])
def test_every_table_and_column_is_one_our_ddl_made(parser: ScriptDom, name: str) -> None:
    """Scene by scene: the first load makes the tables, later scenes may only use what is there."""
    model, unknown = Model(), []
    for scene, text in sent(name, "plain"):
        for statement in parser.ask(marked(text), "names")["statements"]:
            unknown += [(scene, what, text[:200]) for what in model.follow(statement)]
    assert not unknown


def test_the_model_check_sees_a_wrong_column(parser: ScriptDom) -> None:
    model = Model()
    ddl = "CREATE TABLE [ods].[t] ([a] int NULL, _key_hash binary(32) NOT NULL);"
    for text, expected in (
        (ddl, []), ("SELECT o.[a] FROM [ods].[t] AS o;", []), ("SELECT o.b FROM [ods].[t] AS o;", ["column o.b"]),
        ("UPDATE o SET [a] = x.[a] FROM [ods].[t] AS o;", ["column x.a"]), ("SELECT a FROM ods.nope;", ["table ods.nope", "column a"]),
        ("WITH r AS (SELECT a FROM ods.t) DELETE FROM r WHERE nth > 1;", ["column nth"]),
    ):  # fmt: skip
        told = parser.ask(text, "names")["statements"]
        assert [what for statement in told for what in model.follow(statement)] == expected


def test_every_file_is_sent_and_an_error_in_any_of_them_is_found(parser: ScriptDom, monkeypatch: pytest.MonkeyPatch) -> None:
    """One error planted a file at a time, in what the file renders to; the batch that holds it must not parse."""
    plain = SqlServerStatements.render
    rendered: set[str] = set()
    planted = ""

    def render(self: SqlServerStatements, name: str, **values: Value | str) -> str:
        rendered.add(name)
        text = plain(self, name, **values)
        return f"{text.rstrip().rstrip(';')} FROM WHERE;\n" if name == planted else text

    monkeypatch.setattr(SqlServerStatements, "render", render)

    def texts() -> set[str]:
        conversations = (
            matrix.conversation(SPECS[name], matrix.LAYOUTS[layout])
            for name, layout in (("2 keys, history", "plain"), ("labels", "columnstore"))
        )
        return {text for told in conversations for server, _ in told for text, _ in server.sent}

    good = texts()
    assert sorted(rendered) == TEMPLATES
    for planted in TEMPLATES:
        assert any(parser.errors(marked(text)) for text in texts() - good), planted


NAMES = ["gencod-v", "order", "Select", "n" * 128, "]", "a]b", 'quo"te', "l'id", "%", "-- x", "/*", "été", " "]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_quoted(parser: ScriptDom, name: str) -> None:
    statements = make_statements()
    typed = [(name, LogicalType.parse("varchar(40)"))]
    columns = [(name, "nvarchar(40)")]
    texts = [
        statements.render("ddl/add_column", target=statements.ident("ods", name), definitions=statements.definitions(columns, [name])),
        statements.render("ddl/bootstrap_schema", schema=statements.text(name), quoted_in_text=statements.quoted_in_text(name)),
        f"SELECT 1 FROM {statements.ident('ods', name)} AS o, stg.s AS s WHERE {differs(typed)} OR {same(typed, 'o', 's')}",
    ]
    for text in texts:
        answer = parser.ask(text, "names")
        assert not answer["errors"]
    answer = parser.ask(texts[0], "names")["statements"][0]
    assert answer["altered"] == {f"ods.{name}": [name]}


@pytest.mark.parametrize("path", sorted((FOLDER / "grants").glob("*.sql")), ids=lambda path: path.name)
def test_the_grant_scripts_are_t_sql(parser: ScriptDom, path: Path) -> None:
    assert not parser.errors(path.read_text(encoding="utf-8"))


def test_a_spec_of_many_columns_stays_within_the_servers_limits() -> None:
    """65,535 identifiers and constants in one expression; nesting is bounded by the groups of `differs`."""
    spec: TableSpec = SPECS["600 columns"]
    text = differs(spec.target_columns)
    assert text.count("[") < 20_000
    assert max(text[:i].count("(") - text[:i].count(")") for i in range(0, len(text), 97)) <= 6
