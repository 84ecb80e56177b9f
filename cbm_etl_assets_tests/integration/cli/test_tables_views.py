"""`tables views` as a person types it: the SQL to hand to a DBA, or the views themselves."""

from __future__ import annotations

import pytest

from cbm_etl_assets_tests.integration.cli.test_verify_commands import play
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]
pytestmark = pytest.mark.integration


def test_printed_it_runs_as_it_is_and_applied_it_is_there(line: Line) -> None:
    columns = [c.model_dump(exclude_unset=True) | ({"label": "Désignation"} if c.name == "Libelle" else {}) for c in line.spec.columns]
    line.spec = article_spec(columns=columns, history=True)
    before = play(line, "tables", "views", "article")
    assert (before.code, "load a table first" in before.err) == (1, True)
    line.load()
    printed = play(line, "tables", "views", "--all")
    assert printed.code == 0
    assert 'CREATE OR REPLACE VIEW "bi"."v_article" AS' in printed.out
    assert '"Libelle" AS "Désignation"' in printed.out
    assert "GO" not in printed.out.split()
    applied = play(line, "tables", "views", "article", "--apply", "--json").document
    assert [view["name"] for view in applied["views"]] == ["bi.v_article", "bi.v_article_history"]
    asked = play(line, "sql", 'SELECT "Désignation", "Is current" FROM bi.v_article_history WHERE "cod_art" = \'A00003\'', "--json")
    assert asked.document["rows"] == [["libellé 3", True]]
    assert play(line, "tables", "views", "article", "--drop").code == 0
    assert play(line, "sql", "SELECT * FROM bi.v_article").code == 1
    assert play(line, "tables", "views", "article", "--drop", "--apply").code == 2
