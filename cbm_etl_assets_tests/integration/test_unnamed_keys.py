"""Keys that ODS holds in another form than the source (masked, cleaned, converted): read again by way of their hash."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.certificate import Verdict
from cbm_etl_assets.pipeline.repair import repair
from cbm_etl_assets.pipeline.results import Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets_tests.line_fixture import Line, article_spec

pytestmark = pytest.mark.integration
FORMS: dict[str, dict[str, Any]] = {
    "masked": {"mask": "hash"},
    "cleaned": {"clean": {"trim": True}},
    "converted": {"type": "integer", "source_type": "varchar(12)"},
}


def spec_with(form: str) -> TableSpec:
    columns = [c.model_dump(exclude_defaults=True) for c in article_spec().columns]
    columns[0] |= FORMS[form]
    # Without a lookback the rows to look at again are in no range: they are read by their key or not at all.
    return article_spec(columns=columns, cursor={"columns": ["dat_mod"], "lookback": "0d"})


@pytest.fixture(params=FORMS)
def unnamed(request: pytest.FixtureRequest, line: Line) -> Line:
    """Source keys with a leading blank and zeros: no ODS value of them finds its row."""
    line.spec = spec_with(request.param)
    line.execute("UPDATE pub.article SET cod_art = ' ' || right(cod_art, 5)")
    return line


def just_now(line: Line) -> dt.datetime:
    return line.platform.source.clock() - dt.timedelta(minutes=5)


def live(line: Line) -> int:
    return int(str(line.platform.warehouse.query("SELECT count(*) FROM ods.article WHERE NOT _is_deleted").rows[0][0]))


def test_a_row_changed_just_before_the_load_is_not_taken_for_gone(unnamed: Line) -> None:
    line = unnamed
    line.load()
    line.execute('UPDATE pub.article SET "Libelle" = %s, dat_mod = %s WHERE cod_art = %s', "neuf", just_now(line), " 00007")
    line.execute("UPDATE pub.article SET dat_mod = %s WHERE cod_art = %s", just_now(line) + dt.timedelta(minutes=2), " 00008")
    for _ in range(2):
        result = line.load(Mode.INCREMENTAL)
        assert (result.outcome.deleted, live(line)) == (0, 200)
    assert verify(line.platform, line.spec).status is Verdict.EQUAL


@pytest.mark.parametrize("unnamed", ["masked"], indirect=True)
def test_a_dirty_row_that_was_rolled_back_goes_all_the_same(unnamed: Line) -> None:
    line = unnamed
    line.load()
    line.put(" 99999", "jamais validé", just_now(line))
    line.execute("UPDATE pub.article SET dat_mod = %s WHERE cod_art = %s", just_now(line) + dt.timedelta(minutes=2), " 00008")
    assert line.load(Mode.INCREMENTAL).outcome.inserted == 1
    line.execute("DELETE FROM pub.article WHERE cod_art = ' 99999'")
    assert line.load(Mode.INCREMENTAL).outcome.deleted == 1
    assert live(line) == 200


@pytest.mark.parametrize("unnamed", ["converted"], indirect=True)
def test_a_row_one_scan_missed_is_not_tombstoned(unnamed: Line) -> None:
    """The probe before a deletion: by all keys, not by values the source does not know."""
    line = unnamed
    line.load()
    line.execute("DELETE FROM pub.article WHERE cod_art = ' 00003'")
    extract = line.platform.source.extract
    probes: list[object] = []

    def probing(request: Any, progress: Any = None) -> Any:
        probes.append(request.keys)
        return extract(request, progress)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line.platform.source, "extract", probing)
        assert line.load(Mode.FULL).outcome.deleted == 1
    assert probes == [None, None], "the table, then its keys"


def test_what_is_planted_is_found_and_repaired(unnamed: Line) -> None:
    line = unnamed
    line.load()
    warehouse: Any = line.platform.warehouse
    with warehouse._transaction() as connection:
        connection.execute("UPDATE ods.article SET Libelle = 'faux' WHERE gencod_v = 'g4'")
        connection.execute("DELETE FROM ods.article WHERE gencod_v = 'g9'")
    found = verify(line.platform, line.spec)
    assert (found.missing, found.different, found.extra) == (1, 1, 0)
    done = repair(line.platform, line.spec)
    assert done.after.status is Verdict.EQUAL
    assert done.load is not None
    assert (done.load.outcome.inserted, done.load.outcome.updated) == (1, 1)
    assert live(line) == 200


@pytest.mark.parametrize("unnamed", ["masked"], indirect=True)
def test_a_row_of_a_key_the_source_does_not_have_is_repaired_away(unnamed: Line) -> None:
    line = unnamed
    line.load()
    warehouse: Any = line.platform.warehouse
    with warehouse._transaction() as connection:
        connection.execute("UPDATE ods.article SET cod_art = 'nobody' WHERE gencod_v = 'g5'")
    done = repair(line.platform, line.spec)
    assert (done.before.missing, done.before.extra, done.after.status) == (1, 1, Verdict.EQUAL)
    assert live(line) == 200
