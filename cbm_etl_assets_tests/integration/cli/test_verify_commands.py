"""verify, repair, why and asof over a real line: exit codes, keys, the story of a row."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from cbm_etl_assets.cli.app import main
from cbm_etl_assets.cli.runtime import Runtime
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = pytest.mark.integration
LATER = dt.datetime(2026, 2, 1, 8)


@dataclass
class Played:
    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


def play(line: Line, *arguments: str) -> Played:
    """One command in this process, on the line's own settings and spec."""
    out, err = io.StringIO(), io.StringIO()
    runtime = Runtime(lambda _: line.settings(), lambda _: {line.spec.name: line.spec}, lambda *_: line.platform)
    platform, close = line.platform, line.platform.close
    object.__setattr__(platform, "close", lambda: None)  # the line ends it, not the command
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(arguments, runtime)
    finally:
        object.__setattr__(platform, "close", close)
    return Played(code, out.getvalue(), err.getvalue())


def plant(line: Line, statement: str) -> None:
    with duckdb.connect(line.platform.settings.warehouse_path) as connection:
        connection.execute(statement)


def test_verify_exits_0_when_equal_and_1_with_the_keys_when_not(line: Line) -> None:
    line.load()
    equal = play(line, "verify", "article", "--json")
    assert (equal.code, equal.document["tables"][0]["status"], equal.document["tables"][0]["differences"]) == (0, "equal", [])
    plant(line, "UPDATE ods.article SET qte = 0 WHERE cod_art = 'A00012'")
    plant(line, "DELETE FROM ods.article WHERE cod_art = 'A00013'")
    found = play(line, "verify", "--all", "--json")
    assert (found.code, found.document["ok"], found.document["exit_code"]) == (1, False, 1)
    [table] = found.document["tables"]
    assert table["differences"] == [
        {"kind": "different", "key": ["A00012"], "columns": ["qte"]}, {"kind": "missing", "key": ["A00013"], "columns": []},
    ]  # fmt: skip
    assert table["keys"] == {"missing": 1, "extra": 0, "different": 1, "pending": 0, "quarantined": 0}
    shown = play(line, "verify", "article", "--limit", "1")
    assert shown.code == 1
    assert "article: different A00012 in qte" in shown.out
    assert "2 differ, 1 shown" in shown.out
    mended = play(line, "repair", "article")
    assert mended.code == 0, mended.out
    assert "2 keys read again: 1 inserted, 1 updated" in mended.err
    assert play(line, "repair", "article", "--json").document["tables"][0]["repaired"] == 0
    line.assert_equal()


def test_one_table_that_cannot_be_verified_is_an_answer_of_its_own(line: Line) -> None:
    played = play(line, "verify", "--all", "--json")
    [table] = played.document["tables"]
    assert (played.code, table["status"], table["error"]["class"]) == (1, "failed", "WarehouseError")
    assert "never loaded" in play(line, "verify", "article").out


def test_why_tells_every_version_with_its_run_and_file(line: Line) -> None:
    columns = [c.model_dump(exclude_defaults=True) for c in article_spec().columns]
    columns[1] |= {"mask": "redact"}
    line.spec = article_spec(history=True, columns=columns)
    first = line.load()
    line.put("A00007", "nouveau libellé", LATER)
    second = line.load(Mode.INCREMENTAL)
    story = play(line, "why", "article", " a00007", "--json")
    assert story.code == 1, "a leading blank is another key"
    story = play(line, "why", "article", "a00007 ", "--json")
    assert story.code == 0
    before, after = story.document["versions"]
    assert story.document["masks"] == {"gencod_v": "redact"}
    assert (before["run_id"], after["run_id"]) == (first.run_id, second.run_id)
    assert (before["mode"], after["mode"], after["valid_from"], after["valid_to"]) == ("full", "incremental", LATER.isoformat(), None)
    assert before["valid_to"] == after["valid_from"]
    assert after["raw_file"].endswith("raw/article/000000000002/part-00000.parquet")
    assert after["changed"] == ["gencod_v", "Libelle", "qte", "dat_mod"]
    assert before["values"]["gencod_v"] == "***"
    text = play(line, "why", "article", "A00007", "--column", "libelle").out
    assert "Libelle = libellé 7 -> nouveau libellé" in text
    assert "qte" not in text


def test_why_without_history_shows_the_current_row(line: Line) -> None:
    line.load()
    [version] = play(line, "why", "article", "A00001", "--json").document["versions"]
    assert (version["values"]["Libelle"], version["valid_from"], version["is_deleted"]) == ("libellé 1", None, False)
    unknown = play(line, "why", "article", "NOPE")
    assert unknown.code == 1
    assert "never held this key" in unknown.out


@pytest.mark.parametrize(("arguments", "message"), [
    (("why", "article", "A", "B"), "the key is cod_art, 1 values; 2 given"),
    (("why", "article", "A00001", "--column", "nope"), "has no column 'nope'. Known: cod_art"),
    (("asof", "article", "2026-03-01"), "keeps no history"),
])  # fmt: skip
def test_questions_without_an_answer_say_so(line: Line, arguments: tuple[str, ...], message: str) -> None:
    line.load()
    played = play(line, *arguments)
    assert played.code == 2
    assert message in played.err


def test_asof_reads_the_table_as_it_was(line: Line) -> None:
    line.spec = article_spec(history=True)
    line.load()
    line.put("A00007", "nouveau libellé", LATER)
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00008'")
    line.load(Mode.FULL)

    def label(moment: str) -> list[str]:
        document = play(line, "asof", "article", moment, "--json").document
        return [row[2] for row in document["rows"] if row[0] in ("A00007", "A00008")]

    assert label("2026-01-31") == ["libellé 7", "libellé 8"]
    assert label("2026-02-01 09:00") == ["nouveau libellé", "libellé 8"]
    assert label("2099-01-01") == ["nouveau libellé"]
    assert label("2025-01-01") == []
    assert "rows, 3 shown" in play(line, "asof", "article", "2026-01-31", "--limit", "3").out
