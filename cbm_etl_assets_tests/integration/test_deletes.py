"""Deletes on the line: absence, probe, guard, resurrection; dirty reads."""

from __future__ import annotations

import datetime as dt

import pytest

from cbm_etl_assets.errors import MassDeleteError
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = pytest.mark.integration


def test_a_deleted_row_is_tombstoned_by_a_full_load_only(line: Line) -> None:
    line.load()
    line.execute("DELETE FROM pub.article WHERE cod_art IN ('A00001', 'A00002')")
    assert line.load(Mode.INCREMENTAL).outcome.deleted == 0
    assert line.load(Mode.FULL).outcome.deleted == 2
    line.assert_equal()
    line.put("A00001", "revenu", dt.datetime(2026, 1, 9, 8))
    assert line.load(Mode.INCREMENTAL).outcome.resurrected == 1
    line.put("A00002", "revenu", dt.datetime(2020, 1, 1))
    assert line.load(Mode.FULL).outcome.resurrected == 1
    line.assert_equal()


def test_an_emptied_source_is_refused_and_the_approving_command_works(line: Line) -> None:
    """DE03"""
    line.load()
    before = line.ods_rows()
    line.execute("TRUNCATE pub.article")
    with pytest.raises(MassDeleteError, match="delivered 0 rows and ODS holds 200") as refused:
        line.load(Mode.FULL)
    assert "cbm-etl run article --mode full --allow-mass-delete" in refused.value.remedy
    assert line.ods_rows() == before
    assert line.leftovers() == []
    result = load_table(line.platform, line.spec, LoadOptions(Mode.FULL, allow_mass_delete=True))
    assert result.outcome.deleted == 200
    assert line.ods_rows() == []


def test_forty_percent_gone_is_refused(line: Line) -> None:
    """DE04"""
    line.load()
    line.execute("DELETE FROM pub.article WHERE cod_art <= 'A00080'")
    with pytest.raises(MassDeleteError, match=r"80 of 200 rows \(40.0 %\)"):
        line.load(Mode.FULL)
    assert len(line.ods_rows()) == 200


def test_a_row_one_scan_missed_is_not_tombstoned(line: Line) -> None:
    """DE05: a filter that hides a row from the scan stands for a row that moved while the scan passed."""
    from unittest.mock import patch

    from cbm_etl_assets.source.odbc import OdbcSource
    from cbm_etl_assets.source.port import ExtractRequest

    line.load()
    honest = OdbcSource.extract
    hidden = article_spec(filter="\"cod_art\" <> 'A00050'")

    def scan_misses_one(self: OdbcSource, request: ExtractRequest, progress: object = None) -> object:
        import dataclasses

        is_scan = request.keys is None
        return honest(self, dataclasses.replace(request, spec=hidden) if is_scan else request, progress)  # type: ignore[arg-type]

    with patch.object(OdbcSource, "extract", scan_misses_one):
        result = line.load(Mode.FULL)
    assert (result.outcome.read, result.outcome.deleted) == (199, 0)
    line.assert_equal()


def test_a_dirty_update_that_was_rolled_back_does_not_stay(line: Line) -> None:
    from cbm_etl_assets.twin.dirty import dirty_update

    line.load()
    now = line.platform.source.clock()
    with line.twin.pg() as conn, dirty_update(conn, "article", {"Libelle": "jamais validé", "dat_mod": now}, {"cod_art": "A00010"}):
        assert line.load(Mode.INCREMENTAL).outcome.updated == 1
        assert ("A00010", "g10", "jamais validé") in {r[:3] for r in line.ods_rows()}
    assert line.load(Mode.INCREMENTAL).outcome.updated == 1
    line.assert_equal()


def test_a_dirty_insert_that_was_rolled_back_goes(line: Line) -> None:
    line.load()
    line.put("D00001", "jamais validé", line.platform.source.clock())
    assert line.load(Mode.INCREMENTAL).outcome.inserted == 1
    line.execute("DELETE FROM pub.article WHERE cod_art = 'D00001'")
    assert line.load(Mode.INCREMENTAL).outcome.deleted == 1
    line.assert_equal()


def test_a_sweep_finds_deletes_by_keys_only(line: Line) -> None:
    line.load()
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00003'")
    line.put("N00001", "pas encore chargé", dt.datetime(2026, 1, 9, 8))
    result = line.load(Mode.SWEEP)
    assert (result.outcome.read, result.outcome.unchanged, result.outcome.filtered, result.outcome.deleted) == (200, 199, 1, 1)
    assert result.query.startswith('SELECT "cod_art" FROM')
    line.load(Mode.INCREMENTAL)
    line.assert_equal()


def test_a_sweep_has_the_same_guard(line: Line) -> None:
    line.load()
    line.execute("TRUNCATE pub.article")
    with pytest.raises(MassDeleteError) as refused:
        line.load(Mode.SWEEP)
    assert "cbm-etl sweep article --allow-mass-delete" in refused.value.remedy
    assert len(line.ods_rows()) == 200


def test_old_tombstones_are_purged_where_the_spec_says_so(line: Line) -> None:
    line.spec = article_spec(deletes={"purge_after": "0d"}, history=True)
    line.load()
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00003'")
    assert line.load(Mode.FULL).outcome.deleted == 1
    held = line.platform.warehouse.query("SELECT count(*), count(*) FILTER (WHERE _is_deleted) FROM ods.article").rows
    assert held == [(199, 0)]
    kept = line.platform.warehouse.query("SELECT count(*) FROM ods.article_history WHERE cod_art = 'A00003' AND _valid_to IS NOT NULL").rows
    assert kept == [(1,)]
    line.put("A00003", "revenu", dt.datetime(2026, 1, 9, 8))
    assert line.load(Mode.INCREMENTAL).outcome.inserted == 1
    line.assert_equal()
