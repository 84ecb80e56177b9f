"""Bad rows on the line: left out and kept, retried, healed, replayed; thresholds; every row accounted for."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from cbm_etl_assets.control.port import QuarantineEntry
from cbm_etl_assets.errors import SqlWidthError, TooManyBadRowsError
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets_tests.line_fixture import Line, article_spec, source_table

pytestmark = pytest.mark.integration
WIDE = "libellé trop large pour trente caractères"
NUMBER = {"name": "gencod-v", "type": "integer", "source_type": "varchar(20)"}


def typed_spec(**changes: Any) -> Any:
    """`gencod-v` declared as a number over the text the source holds."""
    columns = [c.model_dump() for c in article_spec().columns]
    columns[1] = NUMBER
    return article_spec(columns=columns, **changes)


def entries(line: Line, state: str = "open") -> list[QuarantineEntry]:
    return [e for e in line.platform.control.quarantine_entries("article") if e.state == state]


def keys(line: Line, state: str = "open") -> list[str | None]:
    return [json.loads(e.row.key_json)["cod_art"] for e in entries(line, state)]


def set_label(line: Line, key: str, label: str) -> None:
    line.execute('UPDATE pub.article SET "Libelle" = %s WHERE cod_art = %s', label, key)


def widen(line: Line, width: int) -> None:
    """What dbtool does: the catalogue's SQL width follows the data; or what a careless hand does."""
    from cbm_etl_assets.twin import store

    with line.twin.pg() as conn:
        conn.execute("DELETE FROM cbm_twin.tables WHERE name = 'article'")
        store._describe(conn, source_table(width))
        conn.execute("UPDATE pub.article SET qte = qte WHERE cod_art = 'A00001'")  # the twin measures values after writes


def replay(line: Line) -> LoadResult:
    return load_table(line.platform, line.spec, LoadOptions(replay=True))


def closes(result: LoadResult) -> bool:
    return result.outcome.read == result.outcome.accounted


def ods_label(line: Line, key: str) -> object:
    return {row[0]: row[2] for row in line.ods_rows()}.get(key)


def test_a_row_wider_than_its_sql_width_does_not_block_the_table(line: Line) -> None:
    set_label(line, "A00077", WIDE)
    result = line.load(Mode.FULL)
    assert (result.outcome.read, result.outcome.inserted, result.outcome.quarantined) == (200, 199, 1)
    assert closes(result)
    [entry] = entries(line)
    assert (entry.row.column, entry.row.error_class, entry.run_id, entry.seq) == ("Libelle", "SqlWidthError", result.run_id, result.seq)
    assert json.loads(entry.row.key_json) == {"cod_art": "A00077"}
    assert "dbtool" in entry.row.message
    assert line.leftovers() == []
    set_label(line, "A00077", "réparé")
    healed = line.load(Mode.INCREMENTAL)
    assert healed.outcome.inserted == 1
    assert (keys(line), keys(line, "healed")) == ([], ["A00077"])
    line.assert_equal()


def test_a_row_is_healed_once_dbtool_has_widened_its_column(line: Line) -> None:
    set_label(line, "A00077", WIDE)
    assert line.load().outcome.quarantined == 1
    widen(line, 60)
    result = line.load(Mode.INCREMENTAL)
    assert (result.outcome.inserted, result.outcome.quarantined) == (1, 0)
    assert ods_label(line, "A00077") == WIDE
    line.assert_equal()


def test_a_width_that_shrinks_below_the_data_cuts_nothing(line: Line) -> None:
    """SD07"""
    long = "vingt-trois caractères."
    for key in ("A00003", "A00150", "A00151"):
        set_label(line, key, long)
    line.load()
    widen(line, 15)
    result = line.load(Mode.FULL)
    assert (result.outcome.unchanged, result.outcome.quarantined, result.outcome.deleted) == (197, 3, 0)
    assert keys(line) == ["A00003", "A00150", "A00151"]
    line.assert_equal()


def test_the_last_good_version_stays_live_also_in_full_mode(line: Line) -> None:
    line.load()
    set_label(line, "A00005", WIDE)
    for mode in (Mode.FULL, Mode.INCREMENTAL, Mode.SWEEP, Mode.FULL):
        result = line.load(mode)
        assert (result.outcome.deleted, closes(result)) == (0, True)
        assert ods_label(line, "A00005") == "libellé 5"
    assert keys(line) == ["A00005"]
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00005'")
    assert line.load(Mode.INCREMENTAL).outcome.deleted == 1, "retried by key and not there: gone"
    assert keys(line) == []
    line.assert_equal()


def test_scattered_wide_rows_are_isolated_and_retried_until_they_are_narrower(line: Line) -> None:
    line.execute("UPDATE pub.article SET \"Libelle\" = %s WHERE right(cod_art, 2) = '33' OR cod_art IN ('A00001', 'A00200')", WIDE)
    before = len(line.twin.statements())
    result = line.load(Mode.FULL)
    asked = line.twin.statements()[before:]
    assert (result.outcome.inserted, result.outcome.quarantined) == (196, 4)
    assert keys(line) == ["A00001", "A00033", "A00133", "A00200"]
    assert len([s for s in asked if "article" in str(s["sql"])]) < 80
    set_label(line, "A00133", "mieux")
    again = line.load(Mode.INCREMENTAL)
    assert (again.outcome.inserted, again.outcome.quarantined) == (1, 3)
    assert closes(again)
    assert keys(line) == ["A00001", "A00033", "A00200"]


def test_a_value_that_does_not_fit_its_declared_type_is_left_out(line: Line) -> None:
    line.spec = typed_spec()
    line.execute('UPDATE pub.article SET "gencod-v" = right(cod_art, 3)')
    line.execute("UPDATE pub.article SET \"gencod-v\" = 'douze' WHERE cod_art = 'A00012'")
    first = line.load()
    assert (first.outcome.read, first.outcome.inserted, first.outcome.quarantined) == (200, 199, 1)
    [entry] = entries(line)
    assert (entry.row.column, entry.row.error_class) == ("gencod-v", "ConversionError")
    assert "'douze' does not fit the declared type integer" in entry.row.message
    assert json.loads(entry.row.payload)["Libelle"] == "libellé 12"
    line.execute("UPDATE pub.article SET \"gencod-v\" = '12' WHERE cod_art = 'A00012'")
    result = line.load(Mode.INCREMENTAL)
    assert (result.outcome.inserted, closes(result)) == (1, True), "its stamp lies far before the watermark"
    assert entries(line) == []


def test_a_null_key_is_left_out_and_healed_by_the_full_load_that_finds_it_gone(line: Line) -> None:
    line.execute("ALTER TABLE pub.article ALTER COLUMN cod_art DROP NOT NULL")
    line.execute("INSERT INTO pub.article VALUES (NULL, 'x', 'sans clé', 1, '2026-01-02')")
    result = line.load(Mode.FULL)
    assert (result.outcome.read, result.outcome.inserted, result.outcome.quarantined) == (201, 200, 1)
    [entry] = entries(line)
    assert (entry.row.error_class, entry.row.column, entry.row.can_retry) == ("NullKeyError", "cod_art", False)
    assert replay(line).outcome.read == 0
    assert len(entries(line)) == 1
    line.execute("DELETE FROM pub.article WHERE cod_art IS NULL")
    line.load(Mode.FULL)
    assert entries(line) == []
    line.assert_equal()


def test_above_the_threshold_the_load_fails_in_words_and_publishes_nothing(line: Line) -> None:
    line.load()
    before = line.ods_rows()
    line.spec = typed_spec(quarantine={"max_rows": 2, "max_percent": 1})
    line.execute('UPDATE pub.article SET "gencod-v" = right(cod_art, 3)')
    line.execute("UPDATE pub.article SET \"gencod-v\" = 'non' WHERE cod_art <= 'A00003'")
    with pytest.raises(TooManyBadRowsError, match="3 of 200 rows cannot be loaded; its quarantine takes 2 rows or 1 %"):
        line.load(Mode.FULL)
    assert (line.ods_rows(), entries(line), line.leftovers()) == (before, [], [])
    line.spec = typed_spec(quarantine={"max_rows": 0, "max_percent": 2}, target="article2")
    assert load_table(line.platform, line.spec, LoadOptions(Mode.FULL)).outcome.quarantined == 3


def test_the_reader_stops_at_its_own_limit_whatever_the_percentage(line: Line) -> None:
    line.spec = typed_spec(quarantine={"max_rows": 10, "max_percent": 100})
    line.execute("INSERT INTO pub.article SELECT 'N' || g, 'non', NULL, 1, '2026-01-02' FROM generate_series(1, 1001) g")
    line.execute("UPDATE pub.article SET \"gencod-v\" = '1' WHERE cod_art < 'B'")
    with pytest.raises(TooManyBadRowsError, match="more than 1000 rows cannot be loaded; the first: column 'gencod-v': value 'non'"):
        line.load()
    assert (entries(line), line.leftovers()) == ([], [])


def test_replay_loads_repaired_keys_with_the_right_history(line: Line) -> None:
    line.spec = article_spec(history=True)
    line.load()
    line.put("A00009", WIDE, dt.datetime(2026, 1, 20, 8))
    assert line.load(Mode.INCREMENTAL).outcome.quarantined == 1
    assert replay(line).outcome.quarantined == 1
    set_label(line, "A00009", "réparé")
    before = line.platform.warehouse.state("article").watermark
    result = replay(line)
    assert (result.mode, result.outcome.read, result.outcome.updated, closes(result)) == (Mode.PARTITION, 1, 1, True)
    assert line.platform.warehouse.state("article").watermark == before
    assert keys(line, "healed") == ["A00009"]
    versions = line.platform.warehouse.query(
        "SELECT \"Libelle\", _valid_from, _valid_to FROM ods.article_history WHERE cod_art = 'A00009' ORDER BY _valid_from"
    ).rows
    assert versions == [
        ("libellé 9", dt.datetime(2026, 1, 1, 9), dt.datetime(2026, 1, 20, 8)), ("réparé", dt.datetime(2026, 1, 20, 8), None),
    ]  # fmt: skip
    line.assert_equal()


def test_a_dropped_entry_is_not_retried(line: Line) -> None:
    set_label(line, "A00050", WIDE)
    line.load()
    [entry] = entries(line)
    assert line.platform.control.quarantine_drop("article", [entry.id]) == 1
    assert line.load(Mode.INCREMENTAL).outcome.quarantined == 0
    set_label(line, "A00050", "bon")
    line.load(Mode.FULL)
    assert keys(line, "healed") == ["A00050"]
    line.assert_equal()


def test_a_composite_key_with_many_rows_on_one_leading_value(line: Line) -> None:
    line.spec = article_spec(primary_key=["dat_mod", "cod_art"], cursor=None, partition=None)
    line.execute("UPDATE pub.article SET dat_mod = '2026-01-01' WHERE cod_art > 'A00020'")
    set_label(line, "A00123", WIDE)
    set_label(line, "A00007", WIDE)
    result = line.load()
    assert (result.outcome.read, result.outcome.inserted, result.outcome.quarantined) == (200, 198, 2)
    assert sorted(str(k) for k in keys(line)) == ["A00007", "A00123"]
    set_label(line, "A00123", "bon")
    assert (replay(line).outcome.inserted, len(entries(line))) == (1, 1)


def test_without_a_key_a_bad_value_is_left_out_and_a_width_error_says_why_not(line: Line) -> None:
    columns = typed_spec().model_dump()["columns"]
    line.spec = article_spec(primary_key=[], cursor=None, partition=None, columns=columns)
    line.execute("UPDATE pub.article SET \"gencod-v\" = CASE WHEN cod_art = 'A00004' THEN 'quatre' ELSE '1' END")
    result = line.load()
    assert (result.outcome.inserted, result.outcome.quarantined) == (199, 1)
    set_label(line, "A00009", WIDE)
    with pytest.raises(SqlWidthError, match="no primary_key in its spec"):
        line.load()


def test_a_load_killed_before_its_merge_forgets_no_bad_row(line: Line) -> None:
    from unittest.mock import patch

    from cbm_etl_assets.warehouse.dialects.duckdb import DuckDbWarehouse

    line.load()
    line.put("A00100", WIDE, dt.datetime(2026, 1, 20, 8))
    with patch.object(DuckDbWarehouse, "apply", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        line.load(Mode.INCREMENTAL)
    assert keys(line) == ["A00100"]
    set_label(line, "A00100", "bon")
    line.load(Mode.INCREMENTAL)
    line.assert_equal()


def test_a_backfill_leaves_the_wide_row_of_its_partition_out(line: Line) -> None:
    line.load()
    line.put("A00030", WIDE, dt.datetime(2026, 1, 2, 6))
    result = line.load(Mode.AUTO, "2026-01-02")
    assert (result.mode, result.outcome.read, result.outcome.unchanged, result.outcome.quarantined) == (Mode.PARTITION, 24, 23, 1)
    assert (keys(line), ods_label(line, "A00030")) == (["A00030"], "libellé 30")


def test_the_commands_over_the_line(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    from cbm_etl_assets.cli.app import main
    from cbm_etl_assets.cli.runtime import Runtime

    def play(*arguments: str) -> Any:
        runtime = Runtime(lambda home: line.settings(), lambda settings: {"article": line.spec})
        assert main([*arguments, "--json"], runtime) == 0
        return json.loads(capsys.readouterr().out)

    set_label(line, "A00077", WIDE)
    assert play("run", "article")["tables"][0]["rows"]["quarantined"] == 1
    [entry] = play("quarantine", "list", "article")["entries"]
    assert (entry["key"], entry["column"], entry["error"]["class"]) == ({"cod_art": "A00077"}, "Libelle", "SqlWidthError")
    set_label(line, "A00077", "réparé")
    assert play("quarantine", "replay", "article")["tables"][0]["rows"]["inserted"] == 1
    assert play("quarantine", "list", "article")["entries"] == []
    assert play("quarantine", "show", "article", str(entry["id"]))["entry"]["state"] == "healed"
    line.assert_equal()


@pytest.mark.slow
def test_fifty_thousand_poisoned_rows_stop_in_words_with_few_queries(line: Line) -> None:
    """CF14"""
    line.load()
    line.execute(
        "INSERT INTO pub.article SELECT 'P' || lpad(g::text, 5, '0'), NULL, %s, 1, '2026-01-02' FROM generate_series(1, 50000) g", WIDE
    )
    before, rows = len(line.twin.statements()), line.ods_rows()
    with pytest.raises(SqlWidthError, match="column 'Libelle' holds values wider than the SQL width") as failed:
        line.load(Mode.FULL)
    assert "Nothing was changed" in failed.value.message
    assert "dbtool" in failed.value.remedy
    # Everything the source was asked, the driver's own SET and FETCH included.
    assert len(line.twin.statements()) - before < 2000
    assert (line.ods_rows(), entries(line), line.leftovers()) == (rows, [], [])


def test_a_row_the_driver_cannot_convert_does_not_block_the_table(line: Line) -> None:
    """SQLSTATE 22012 out of the real driver: the row fails whenever its column is asked for, its key does not."""
    line.execute("ALTER TABLE pub.article RENAME TO article_base")
    line.execute(
        'CREATE VIEW pub.article AS SELECT cod_art, "gencod-v", "Libelle", '
        "CASE WHEN cod_art IN ('A00012', 'A00180') THEN 1 / (length(cod_art) - 6) ELSE qte END::numeric(12,3) AS qte, dat_mod "
        "FROM pub.article_base"
    )
    try:
        result = line.load(Mode.FULL)
        assert (result.outcome.read, result.outcome.inserted, result.outcome.quarantined) == (200, 198, 2)
        assert closes(result)
        assert keys(line) == ["A00012", "A00180"]
        assert {e.row.error_class for e in entries(line)} == {"ConversionError"}
        assert "22012" in entries(line)[0].row.message
        assert line.leftovers() == []
        line.execute("UPDATE pub.article_base SET cod_art = 'B00012' WHERE cod_art = 'A00012'")
        again = line.load(Mode.INCREMENTAL)
        assert (again.outcome.quarantined, keys(line)) == (1, ["A00180"]), "its key is gone: nothing to retry"
    finally:
        line.execute("DROP VIEW pub.article")
        line.execute("ALTER TABLE pub.article_base RENAME TO article")
