"""What the certificate and the guard promise, word for word through the command line: exit codes, keys, the approving command."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from cbm_etl_assets_tests.integration.cli.test_verify_commands import Played, plant, play
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = pytest.mark.integration


def everything(line: Line) -> list[list[tuple[Any, ...]]]:
    """ODS, history and state, to the last stamp; the number of the last attempt aside."""
    state = "SELECT * EXCLUDE (last_issued_seq, fencing_token, updated_at) FROM stg._cbm_state"
    names = ("SELECT * FROM ods.article", "SELECT * FROM ods.article_history", state)
    return [line.platform.warehouse.query(f"{name} ORDER BY ALL").rows for name in names]


def approving_command(played: Played) -> list[str]:
    """The command as it was printed, wherever the terminal broke the line."""
    found = re.search(r"cbm-etl ([a-z ]+article[a-z -]*--allow-mass-delete)", " ".join((played.out + played.err).split()))
    assert found is not None, played.out + played.err
    return shlex.split(found[1])


def test_what_was_planted_is_named_exactly_and_the_exit_code_says_so(line: Line) -> None:
    """A row of ODS that the source never had, a row deleted from it, a value changed in one column."""
    line.load()
    assert play(line, "verify", "article").code == 0
    plant(line, "INSERT INTO ods.article SELECT * REPLACE ('Z99999' AS cod_art) FROM ods.article WHERE cod_art = 'A00050'")
    plant(line, "DELETE FROM ods.article WHERE cod_art = 'A00100'")
    plant(line, "UPDATE ods.article SET \"Libelle\" = 'autre' WHERE cod_art = 'A00007'")
    for selection in (["article"], ["--all"]):
        found = play(line, "verify", *selection, "--json")
        [table] = found.document["tables"]
        assert (found.code, table["status"]) == (1, "different")
        assert table["differences"] == [
            {"kind": "different", "key": ["A00007"], "columns": ["Libelle"]}, {"kind": "extra", "key": ["Z99999"], "columns": []},
            {"kind": "missing", "key": ["A00100"], "columns": []},
        ]  # fmt: skip
    assert play(line, "repair", "article").code == 0
    assert play(line, "verify", "--all").code == 0
    line.assert_equal()


@pytest.mark.parametrize("command", [("run", "article", "--mode", "full"), ("sweep", "article"), ("run", "article")])
def test_a_truncated_source_stops_the_load_and_the_printed_command_approves_it(line: Line, command: tuple[str, ...]) -> None:
    """Nothing changes, history included, until somebody says so in the very words that were printed."""
    line.spec = article_spec(history=True)
    assert play(line, "run", "article", "--mode", "full").code == 0
    line.execute("UPDATE pub.article SET dat_mod = %s", line.platform.source.clock())  # so that an incremental looks at all of them again
    assert play(line, "run", "article").code == 0
    before = everything(line)
    line.execute("TRUNCATE pub.article")
    refused = play(line, *command)
    assert refused.code == 1
    assert "ODS holds 200" in " ".join((refused.out + refused.err).split())
    assert everything(line) == before
    assert play(line, *command).code == 1, "as often as it is tried"
    assert everything(line) == before
    assert line.leftovers() == []
    approved = play(line, *approving_command(refused))
    assert approved.code == 0, approved.err
    assert line.ods_rows() == []
    assert line.platform.warehouse.query("SELECT count(*) FROM ods.article_history WHERE _valid_to IS NULL").rows == [(0,)]
    assert play(line, "verify", "article").code == 0
