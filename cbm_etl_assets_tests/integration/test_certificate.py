"""The replication certificate on the twin: what is planted is found, exactly; what is news is pending; a repair heals it."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cbm_etl_assets.errors import ConfigurationError, MassDeleteError, WarehouseError
from cbm_etl_assets.pipeline.certificate import Certificate, Verdict
from cbm_etl_assets.pipeline.repair import repair
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets_tests.integration.test_state_machine import Replication
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = pytest.mark.integration
NOON = dt.datetime(2026, 1, 9, 12)


def plant(line: Line, statement: str, *parameters: object) -> None:
    """By hand, behind everybody's back."""
    with duckdb.connect(line.platform.settings.warehouse_path) as connection:
        assert connection.execute(statement, parameters).fetchall() != [(0,)]


def check(line: Line) -> Certificate:
    return verify(line.platform, line.spec)


def found(certificate: Certificate) -> list[tuple[str, Any, tuple[str, ...]]]:
    return [(k.kind, k.key[0], k.columns) for k in certificate.keys]


def test_equal_tables_are_certified(line: Line) -> None:
    line.load()
    certificate = check(line)
    assert (certificate.status, certificate.rows_source, certificate.rows_ods, certificate.keys) == (Verdict.EQUAL, 200, 200, ())
    prints = certificate.fingerprints
    assert prints["keys_source"] == prints["keys_ods"] != prints["rows_source"] == prints["rows_ods"]
    assert all(c.equal for c in certificate.columns)
    assert certificate.verified_through is not None
    [row] = line.platform.control.query("SELECT * FROM etl.Certificate")
    assert (row["TableName"], row["Status"], row["RowsSource"], row["KeysMissing"]) == ("article", "equal", 200, 0)
    assert row["VerifiedThroughTs"] == certificate.verified_through
    quantity = json.loads(str(row["ColumnsJson"]))[3]
    assert (quantity["name"], quantity["source"]["sum"], quantity["source"]["nulls"]) == ("qte", "2512.500", 0)


def test_what_is_planted_by_hand_is_found_exactly_and_repaired(line: Line) -> None:
    """Acceptance 2: a value changed in one column, a row deleted, a row added."""
    line.load()
    plant(line, "UPDATE ods.article SET qte = qte + 1 WHERE cod_art = 'A00007'")
    assert line.load(Mode.FULL).outcome.updated == 0, "the stored hash is the source's: no load would ever see it"
    plant(line, "DELETE FROM ods.article WHERE cod_art = 'A00100'")
    plant(line, "INSERT INTO ods.article SELECT * REPLACE ('Z' AS cod_art) FROM ods.article WHERE cod_art = 'A00050'")
    certificate = check(line)
    assert found(certificate) == [("different", "A00007", ("qte",)), ("extra", "Z", ()), ("missing", "A00100", ())]
    assert (certificate.missing, certificate.extra, certificate.different, certificate.pending) == (1, 1, 1, 0)
    assert [c.name for c in certificate.columns if c.different] == ["qte"]
    assert certificate.verified_through is None
    healed = repair(line.platform, line.spec)
    assert healed.after.equal
    line.assert_equal()
    assert healed.load is not None
    assert healed.load.outcome.read == healed.load.outcome.accounted
    assert line.load(Mode.FULL).outcome.unchanged == 200
    assert line.leftovers() == []


def test_a_row_filed_under_another_key_and_a_repeated_row_are_found_and_repaired(line: Line) -> None:
    line.load()
    plant(line, "UPDATE ods.article SET _key_hash = (SELECT _key_hash FROM ods.article WHERE cod_art = 'A00002') WHERE cod_art = 'A00001'")
    plant(line, "INSERT INTO ods.article SELECT * FROM ods.article WHERE cod_art = 'A00003'")
    assert found(check(line)) == [("different", "A00001", ("_key_hash",)), ("different", "A00003", ("_key_hash",))]
    assert repair(line.platform, line.spec).after.equal
    line.assert_equal()


def test_rows_changed_at_the_source_since_the_load_are_pending(line: Line) -> None:
    line.load()
    line.put("A00005", "changé", NOON + dt.timedelta(days=300))
    line.put("N00001", "créé", NOON + dt.timedelta(days=300))
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00009'")
    certificate = check(line)
    assert (certificate.status, certificate.pending, certificate.keys) == (Verdict.EQUAL, 3, ())
    state = line.platform.warehouse.state("article")
    assert certificate.verified_through == state.watermark
    line.load(Mode.FULL)
    assert check(line).pending == 0
    line.assert_equal()


def test_a_change_at_the_watermark_itself_is_pending_and_one_no_incremental_would_find_is_not(line: Line) -> None:
    line.load()
    watermark = line.platform.warehouse.state("article").watermark
    line.put("A00200", "dans la même heure", watermark)
    line.put("A00001", "estampille ancienne", dt.datetime(2026, 1, 1, 1))
    certificate = check(line)
    assert found(certificate) == [("different", "A00001", ("gencod_v", "Libelle", "qte"))]
    assert certificate.pending == 1


def test_a_row_stamped_in_the_future_is_no_excuse(line: Line) -> None:
    """W never passes the source's clock, so such a row is beyond W for ever."""
    line.put("A00005", "fantaisie", dt.datetime(2999, 1, 1))
    line.load()
    plant(line, "UPDATE ods.article SET qte = -1 WHERE cod_art = 'A00005'")
    assert found(check(line)) == [("different", "A00005", ("qte",))]


def test_without_raw_files_the_cursor_alone_decides(line: Line) -> None:
    line.load()
    line.platform.lake.clean(0, keep_last=0)
    line.put("A00005", "changé", NOON + dt.timedelta(days=300))
    plant(line, "UPDATE ods.article SET qte = -1 WHERE cod_art = 'A00006'")
    certificate = check(line)
    assert (found(certificate), certificate.pending) == ([("different", "A00006", ("qte",))], 1)


@pytest.mark.parametrize("keep_raw", [True, False])
def test_without_a_cursor_news_are_loaded_once_and_planted_rows_are_not(line: Line, keep_raw: bool) -> None:
    line.spec = article_spec(cursor=None, partition=None)
    line.load()
    if not keep_raw:
        line.platform.lake.clean(0, keep_last=0)
    line.put("A00005", "changé", None)
    line.put("N00001", "créé", None)
    plant(line, "UPDATE ods.article SET \"Libelle\" = 'faux' WHERE cod_art = 'A00006'")
    certificate = check(line)
    assert (found(certificate), certificate.pending) == ([("different", "A00006", ("Libelle",))], 2)
    assert repair(line.platform, line.spec).after.equal
    line.assert_equal()


def test_a_null_cursor_is_no_proof_either(line: Line) -> None:
    line.put("A00005", "sans date", None)
    line.load()
    line.put("A00005", "toujours sans date", None)
    certificate = check(line)
    assert (certificate.status, certificate.pending) == (Verdict.EQUAL, 1)


def test_a_row_changed_at_the_source_while_it_runs_is_read_again(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.load()
    warehouse, batches, calls = line.platform.warehouse, line.platform.warehouse.batches, []

    def meanwhile(sql: str, batch_rows: int) -> Any:
        if not calls:
            calls.append(1)
            line.put("A00011", "changé pendant", NOON)
            line.load(Mode.INCREMENTAL)
        return batches(sql, batch_rows)

    monkeypatch.setattr(warehouse, "batches", meanwhile)
    certificate = check(line)
    assert (certificate.status, certificate.pending, certificate.buckets_different) == (Verdict.EQUAL, 0, 1)
    line.assert_equal()


def test_a_table_without_a_key_is_a_multiset(line: Line) -> None:
    columns = [c.model_dump(exclude_defaults=True) for c in article_spec().columns]
    line.spec = article_spec(primary_key=[], cursor=None, partition=None, columns=columns[2:])
    again = 'INSERT INTO pub.article SELECT %s || cod_art, NULL, "Libelle", qte, dat_mod FROM pub.article WHERE cod_art = %s'
    for key in ("A00001", "A00002"):
        line.execute(again, "B", key)
    line.load()
    assert check(line).equal
    plant(line, "DELETE FROM ods.article WHERE \"Libelle\" = 'libellé 100'")
    line.execute(again, "C", "A00001")
    certificate = check(line)
    assert (certificate.missing, certificate.extra, certificate.different, certificate.pending) == (1, 0, 0, 1)
    with pytest.raises(ConfigurationError, match="cannot be repaired by key: its spec declares none"):
        repair(line.platform, line.spec)


def test_masks_and_cleaning_apply_to_both_sides(line: Line) -> None:
    columns = [c.model_dump(exclude_defaults=True) for c in article_spec().columns]
    columns[1] |= {"mask": "hash"}
    columns[2] |= {"clean": {"trim": True, "null_tokens": ["?"]}}
    line.spec = article_spec(columns=columns)
    line.put("A00001", "  blancs  ", NOON)
    line.put("A00002", "?", NOON)
    line.load()
    assert check(line).equal
    plant(line, "UPDATE ods.article SET gencod_v = 'g4' WHERE cod_art = 'A00004'")
    assert found(check(line)) == [("different", "A00004", ("gencod_v",))]


def test_keys_that_differ_in_case_and_padding_only_are_one_row_with_another_value(line: Line) -> None:
    line.load()
    plant(line, "UPDATE ods.article SET cod_art = 'a00004 ' WHERE cod_art = 'A00004'")
    assert found(check(line)) == [("different", "A00004", ("cod_art",))]
    assert repair(line.platform, line.spec).after.equal
    line.assert_equal()


def test_a_table_never_loaded_has_nothing_to_verify(line: Line) -> None:
    with pytest.raises(WarehouseError, match="never loaded"):
        check(line)


def test_a_repair_that_would_empty_the_table_is_refused(line: Line) -> None:
    line.load()
    line.platform.lake.clean(0, keep_last=0)
    line.execute("TRUNCATE pub.article")
    with pytest.raises(MassDeleteError, match="0 rows and ODS holds 200") as refused:
        repair(line.platform, line.spec)
    assert "cbm-etl repair article --allow-mass-delete" in refused.value.remedy
    assert repair(line.platform, line.spec, allow_mass_delete=True).after.equal
    assert line.ods_rows() == []


def test_history_stays_well_formed_after_a_repair(line: Line) -> None:
    line.spec = article_spec(history=True)
    line.load()
    plant(line, "UPDATE ods.article SET qte = -1 WHERE cod_art = 'A00006'")
    plant(line, "DELETE FROM ods.article WHERE cod_art = 'A00007'")
    assert repair(line.platform, line.spec).after.equal
    open_versions = line.platform.warehouse.query("SELECT count(*) FROM ods.article_history WHERE _valid_to IS NULL").rows
    overlaps = line.platform.warehouse.query(
        "SELECT count(*) FROM ods.article_history a JOIN ods.article_history b ON a._key_hash = b._key_hash "
        "AND a._valid_from < b._valid_from AND (a._valid_to IS NULL OR a._valid_to > b._valid_from)"
    ).rows
    assert (open_versions, overlaps) == ([(200,)], [(0,)])


def test_a_verification_leaves_nothing_behind(line: Line, tmp_path: Path) -> None:
    line.load()
    check(line)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert line.leftovers() == []


def test_a_column_of_the_spec_that_no_load_has_followed_is_not_compared(line: Line) -> None:
    line.load()
    columns = [c.model_dump(exclude_defaults=True) for c in line.spec.columns]
    line.spec = article_spec(columns=[*columns, {"name": "neuf", "type": "integer"}])
    assert [c.name for c in check(line).columns] == ["cod_art", "gencod_v", "Libelle", "qte", "dat_mod"]


def test_a_quarantined_key_is_reported_and_its_last_good_version_is_no_difference(line: Line) -> None:
    line.load()
    line.execute("UPDATE pub.article SET \"Libelle\" = repeat('x', 40), dat_mod = now() WHERE cod_art = 'A00003'")
    line.load(Mode.FULL)
    certificate = check(line)
    assert (certificate.status, certificate.quarantined, certificate.rows_source, certificate.rows_ods) == (Verdict.EQUAL, 1, 199, 200)


@pytest.mark.parametrize("seam", ["after publish", "before apply", "before commit"])
def test_what_a_killed_load_had_read_is_still_news(seam: str) -> None:
    """Its raw files were published, its rows never reached ODS: the next load brings them, and no alarm is due until then."""
    life = Replication()
    try:
        life.open(history=True)
        life.put(rows=[("f6", None, 2, 0), ("a1", "", 1, 4)])
        life.full()
        life.tick(60)
        life.put(rows=[("f6", "x", 2, 0), ("B2", "x", 2, 0)])
        life.remove(["a1"])
        life.killed(Mode.INCREMENTAL, seam)
        life.verify()
        life.backfill(1, 3)
        life.verify()
        life.put(rows=[("c3", "x", 2, 9)])
        life.killed(Mode.INCREMENTAL, seam)
        life.verify()
    finally:
        life.teardown()
