"""The control database's statements on SQL Server, parsed by Microsoft's own parser and resolved against its own DDL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from cbm_etl_assets.control.script import ddl_script
from cbm_etl_assets.control.sql import control_dir, migrations, own_objects, rendered, script, statement
from cbm_etl_assets_tests.tsql import scriptdom
from cbm_etl_assets_tests.tsql.scriptdom import Model, ScriptDom

pytestmark = pytest.mark.skipif(not scriptdom.PYTHON.exists(), reason=scriptdom.MISSING)
COMMON = sorted(path.stem for path in (control_dir() / "common").glob("*.sql"))
WORDS = {"schema": "etl", "object": "ETL_Log", "message": "o.ErrorMessage"}
DATEPARTS = ("column MILLISECOND", "column DAY")  # the parser takes the first argument of DATEADD for a column
SERVER = sorted(path.stem for path in (control_dir() / "sqlserver").glob("*.sql"))


@pytest.fixture(scope="module")
def parser() -> Iterator[ScriptDom]:
    with scriptdom.running() as child:
        yield child


def marked(sql: str) -> str:
    """Parameters as the driver sends them."""
    return re.sub(r"(?<![:\w]):(\w+)", r"@\1", sql)


def starred(told: dict[str, Any]) -> bool:
    """A derived table of `t.*` has columns that only a database could tell."""
    return any("*" in columns for columns in told["derived"].values())


def test_every_statement_is_t_sql(parser: ScriptDom) -> None:
    texts = [(name, statement(name)) for name in COMMON]
    for name in SERVER:
        texts += [(name, sql) for sql in (rendered("sqlserver", name, **WORDS) if name.startswith("old_") else script("sqlserver", name))]
    assert len(texts) > 100
    assert [(name, errors) for name, sql in texts if (errors := parser.errors(marked(sql)))] == []


def test_the_script_for_a_dba_is_t_sql(parser: ScriptDom) -> None:
    assert parser.errors(ddl_script("sqlserver")) == []
    assert parser.errors(ddl_script("postgresql")) != []


def test_every_table_and_column_is_one_our_ddl_made(parser: ScriptDom) -> None:
    model, unknown = Model(), list[tuple[str, str]]()
    model.tables |= {"sys.indexes": {"name", "object_id"}}
    for name in ["baseline", *(stem for _, _, stem in migrations("sqlserver"))]:
        for sql in script("sqlserver", name):
            for told in parser.ask(sql, "names")["statements"]:
                found = model.follow(told)
                if not told["created"] and not starred(told):  # a table's own constraints are in its scope
                    unknown += [(name, what) for what in found if what not in DATEPARTS]
    assert {f"{o.schema}.{o.name}".lower() for o in own_objects("sqlserver") if o.kind == "table"} <= set(model.tables)
    checked = 0
    for name in COMMON:
        for told in parser.ask(marked(statement(name)), "names")["statements"]:
            if not starred(told):
                checked += 1
                unknown += [(name, what) for what in model.follow(told)]
    assert unknown == []
    assert checked > 40


def test_a_planted_error_is_found(parser: ScriptDom) -> None:
    assert parser.errors(statement("log_start").replace("INSERT INTO", "INSERT ONTO"))
    told = parser.ask(marked(statement("sla_read").replace("SlaHours", "SlaHrs")), "names")["statements"]
    model = Model()
    model.tables["etl.table_sla"] = {"tablename", "priority", "slahours"}
    assert [what for one in told for what in model.follow(one)] == ["column SlaHrs"]
