"""Preflight and comparison against a server that behaves as OpenEdge SQL does."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.compare import compare
from cbm_etl_assets.pipeline.platform import open_platform
from cbm_etl_assets.pipeline.preflight import Check, preflight
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line

__all__ = ["line"]
pytestmark = pytest.mark.integration


def run(line: Line, *specs: TableSpec, **source: object) -> dict[str, Check]:
    if not source:
        return {check.name: check for check in preflight(line.platform, specs or [line.spec])}
    settings = line.settings()
    platform = open_platform(settings.model_copy(update={"source": settings.source.model_copy(update=source)}), {})
    try:
        return {check.name: check for check in preflight(platform, [])}
    finally:
        platform.close()


def test_a_sound_table_passes_every_check(line: Line) -> None:
    checks = run(line)
    assert {name: str(c.status) for name, c in checks.items()} == {
        "driver": "ok", "source": "ok", "dialect": "ok", "clock": "ok", "disk": "ok", "warehouse": "ok", "control": "ok", "lake": "ok",
        "breaker": "ok",
        "catalogue article": "ok", "limits article": "ok", "key article": "ok", "cursor article": "ok", "widths article": "ok",
    }, checks  # fmt: skip


def test_wrong_dialect_is_named_with_the_setting_to_change(line: Line) -> None:
    as_ansi = run(line, dialect="ansi")["dialect"]
    assert (str(as_ansi.status), as_ansi.remedy) == ("fail", "set CBM_SOURCE__DIALECT=openedge")
    as_openedge = run(line, connection_string=SecretStr(line.twin.plain_odbc))["dialect"]
    assert (str(as_openedge.status), as_openedge.remedy) == ("fail", "set CBM_SOURCE__DIALECT=ansi")


def test_a_wrong_time_zone_shows_as_clock_skew(line: Line) -> None:
    elsewhere = dataclasses.replace(line.platform, now=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(hours=2))
    checks = {c.name: c for c in preflight(elsewhere, [])}
    assert str(checks["clock"].status) == "warn"
    assert "CBM_SOURCE__TIMEZONE" in checks["clock"].remedy


def test_duplicate_and_null_keys_are_counted_at_the_source(line: Line) -> None:
    by_code = article_spec(primary_key=["gencod-v"])
    line.execute('UPDATE pub.article SET "gencod-v" = %s WHERE cod_art = %s', "g7", "A00008")
    duplicate = run(line, by_code)["key article"]
    assert (str(duplicate.status), duplicate.detail) == ("fail", "gencod-v is not unique (first: g7)")
    elsewhere = run(line, article_spec(primary_key=["gencod-v"], filter="qte > 1"))["key article"]
    assert str(elsewhere.status) == "ok", "the spec's filter bounds the count"
    line.execute('UPDATE pub.article SET "gencod-v" = NULL WHERE cod_art = %s', "A00009")
    nulls = run(line, by_code)["key article"]
    assert (str(nulls.status), nulls.detail) == ("fail", "1 rows have NULL in gencod-v")


def test_columns_that_the_source_lacks_or_adds_are_named(line: Line) -> None:
    columns = article_spec().model_dump()["columns"]
    lacks = run(line, article_spec(columns=[*columns, {"name": "partie", "type": "integer"}]))
    assert str(lacks["catalogue article"].status) == "fail"
    assert "removed partie" in lacks["catalogue article"].detail
    assert str(lacks["key article"].status) == "skip"
    adds = run(line, article_spec(columns=[c for c in columns if c["name"] != "qte"]))["catalogue article"]
    assert str(adds.status) == "warn"
    assert "added qte" in adds.detail
    assert "tables sync article" in adds.remedy


def test_full_and_over_wide_values_are_found(line: Line) -> None:
    line.execute('UPDATE pub.article SET "Libelle" = repeat(%s, 30) WHERE cod_art = %s', "x", "A00001")
    suspect = run(line)["widths article"]
    assert str(suspect.status) == "warn"
    assert "Libelle (30)" in suspect.detail
    line.execute('UPDATE pub.article SET "Libelle" = repeat(%s, 31) WHERE cod_art = %s', "x", "A00001")
    over = run(line)["widths article"]
    assert str(over.status) == "fail"
    assert "Libelle" in over.detail
    assert "dbtool" in over.remedy


def test_unknown_table_is_a_failed_check(line: Line) -> None:
    check = run(line, article_spec(table="nulle_part"))["catalogue nulle_part"]
    assert str(check.status) == "fail"
    assert "nulle_part" in check.detail


def test_source_down_skips_the_tables_and_tells_no_secret(tmp_path: Path) -> None:
    text = "DRIVER={PostgreSQL Unicode};SERVER=127.0.0.1;PORT=1;DATABASE=d;UID=u;PWD=hunter2-secret;"
    settings = Settings(home=tmp_path, source=SourceSettings(connection_string=SecretStr(text)))
    platform = open_platform(settings, {})
    try:
        checks = {c.name: c for c in preflight(platform, [article_spec()])}
    finally:
        platform.close()
    assert "fail" in {str(checks[n].status) for n in ("driver", "source") if n in checks}
    assert str(checks["table article"].status) == "skip"
    assert str(checks["warehouse"].status) == "ok"
    assert "hunter2" not in repr(checks)


def test_comparison_sees_what_the_source_changed_after_the_load(line: Line) -> None:
    line.load()
    assert compare(line.platform, line.spec).equal
    line.execute('UPDATE pub.article SET "Libelle" = %s WHERE cod_art = %s', "autre", "A00003")
    line.execute("DELETE FROM pub.article WHERE cod_art = %s", "A00004")
    line.put("Z1", "neuf", None)
    result = compare(line.platform, line.spec)
    assert (result.rows_source, result.rows_ods) == (200, 200)
    assert (result.missing, result.extra, result.different, result.columns) == (1, 1, 1, {"Libelle": 1})
