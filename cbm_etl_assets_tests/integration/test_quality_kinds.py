"""Every kind of rule on the real line: valid on good rows, caught at its layer on planted defects, blocking where declared.

The cases are checked against the registry: a kind without a planted defect fails here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.errors import QualityError
from cbm_etl_assets.metadata.catalogue import SourceColumn
from cbm_etl_assets.metadata.rulekinds import Layer, kinds
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.results import LoadResult, Mode, Status
from cbm_etl_assets_tests.line_fixture import Line, article_spec, line, source_table

__all__ = ["line"]
pytestmark = pytest.mark.integration

KEYS = [f"A{g:05d}" for g in range(1, 201)]
# kind -> (parameters, layer, rows that fail once the defects are in, a failing key)
CASES: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "not_null": ({"column": "Libelle"}, "stg", 1, "A00001"),
    "min_fill_rate": ({"column": "Libelle", "percent": 99.9}, "stg", 1, "A00001"),
    "range": ({"column": "qte", "min": 0, "max": 500.5}, "stg", 2, "A00002"),
    "allowed_values": ({"column": "cod_art", "values": KEYS}, "stg", 1, "B1"),
    "pattern": ({"column": "cod_art", "regex": r"A\d{5}"}, "stg", 1, "B1"),
    "length": ({"column": "Libelle", "max": 5}, "stg", 1, "A00004"),
    "type": ({"column": "Libelle", "of": "integer"}, "stg", 1, "A00004"),
    "expression": ({"sql": "qte >= 0 AND cod_art <> 'Z'"}, "stg", 1, "A00002"),
    "custom": (
        {"function": "cbm_etl_assets_tests.custom_rules:within", "columns": ["qte"], "arguments": {"most": 500}},
        "stg",
        1,
        "A00003",
    ),
    "unique": ({"columns": ["Libelle"]}, "ods", 2, "A00005"),
    "duplicate_keys": ({}, "stg", 1, "A00010"),
    "foreign_key": ({"columns": ["gencod-v"], "table": "article", "to": ["cod_art"]}, "stg", 1, "A00007"),
    "row_count": ({"max": 200}, "ods", 1, ""),
    "volume": ({"max_z": 0.05}, "stg", 1, ""),
    "freshness": ({"column": "dat_mod", "max_age": "2d"}, "ods", 1, ""),
    "monotonic": ({"column": "dat_mod"}, "ods", 1, "A00150"),
    "source_reachable": ({}, "source", 0, ""),
    "catalogue_equals_spec": ({}, "source", 1, ""),
    "key_unique": ({}, "source", 1, ""),
    "column_drift": ({}, "source", 1, ""),
}
NEVER_BROKEN_BY_DATA = {"source_reachable"}  # test_quality_engine has it: a source that does not answer stops the load before


@pytest.fixture
def quality_line(line: Line, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setenv("CBM_QUALITY__CUSTOM_MODULES", '["cbm_etl_assets_tests.custom_rules"]')
    line.execute('UPDATE pub.article SET "gencod-v" = cod_art, "Libelle" = substr(cod_art, 4), qte = 1')
    now = line.platform.source.clock()
    line.execute("UPDATE pub.article SET dat_mod = %s - (200 - substr(cod_art, 2)::int) * interval '1 minute'", now)
    load(line, article_spec())
    _past_loads(line)
    return line


def load(line: Line, spec: Any) -> LoadResult:
    line.spec = spec
    return line.load(Mode.FULL)


def _past_loads(line: Line) -> None:
    """Eight full loads of 200 rows in the last days, for the volume rule."""
    control, now = line.platform.control, dt.datetime.now(dt.UTC)
    for days in range(1, 9):
        start = now - dt.timedelta(days=days)
        log = control.start_log(LogStart(f"past-{days}", "article", "full", "", start))
        control.end_log(log, LogEnd("success", start, rows={"read": 200}))


def plant(line: Line) -> None:
    """A defect for each kind, on rows of their own."""
    line.execute("ALTER TABLE pub.article DROP CONSTRAINT IF EXISTS article_pkey")
    line.execute("""UPDATE pub.article SET "Libelle" = NULL WHERE cod_art = 'A00001'""")
    line.execute("UPDATE pub.article SET qte = -1 WHERE cod_art = 'A00002'")
    line.execute("UPDATE pub.article SET qte = 501 WHERE cod_art = 'A00003'")
    line.execute("""UPDATE pub.article SET "Libelle" = 'beaucoup trop long' WHERE cod_art = 'A00004'""")
    line.execute("""UPDATE pub.article SET "Libelle" = '006' WHERE cod_art = 'A00005'""")
    line.execute("""UPDATE pub.article SET "gencod-v" = 'ZZZ' WHERE cod_art = 'A00007'""")
    line.execute("UPDATE pub.article SET dat_mod = dat_mod - interval '20 days'")
    line.execute("UPDATE pub.article SET dat_mod = dat_mod - interval '1 day' WHERE cod_art = 'A00150'")
    line.execute("""INSERT INTO pub.article SELECT 'B1', 'A00001', '900', 1, max(dat_mod) FROM pub.article""")


def plant_schema(line: Line) -> None:
    from cbm_etl_assets.twin import store

    new = SourceColumn("nouveau", LogicalType.parse("integer"), "integer", order=900)
    with line.twin.pg() as conn:
        store.alter_table(conn, replace(source_table(), columns=(*source_table().columns, new)), None)


def plant_duplicate(line: Line) -> None:
    """A key twice, which a unique index would not let in."""
    names = line.platform.source.query("SELECT cod_art FROM PUB.article").num_rows
    with line.twin.pg() as conn:
        found = conn.execute(
            "SELECT indexname FROM pg_indexes WHERE schemaname = 'pub' AND tablename = 'article' AND indexdef LIKE '%UNIQUE%'"
        )
        for (index,) in found.fetchall():
            conn.execute(f'DROP INDEX pub."{index}"')  # type: ignore[call-overload]
    line.execute("INSERT INTO pub.article SELECT cod_art, 'A00001', '901', 1, dat_mod FROM pub.article WHERE cod_art = 'A00010'")
    assert line.platform.source.query("SELECT cod_art FROM PUB.article").num_rows == names + 1


def test_every_kind_has_a_planted_defect() -> None:
    assert set(CASES) == set(kinds())


def test_every_kind_is_valid_on_good_rows_and_catches_its_defect_at_its_layer(quality_line: Line) -> None:
    line = quality_line
    rules = [{kind: case[0]} for kind, case in CASES.items()]
    good = load(line, article_spec(quality=rules)).quality
    assert good is not None
    assert [(r.rule.kind, r.verdict, r.message) for r in good.results if r.verdict != "VALID"] == []
    plant(line)
    plant_schema(line)
    plant_duplicate(line)
    report = load(line, article_spec(quality=rules)).quality
    assert report is not None
    found = {r.rule.kind: (r.layer, r.verdict.value, r.failed) for r in report.results}
    expected = {kind: (layer, "WARNING" if failed else "VALID", failed) for kind, (_, layer, failed, _) in CASES.items()}
    expected["unique"] = ("ods", "WARNING", 2)
    assert found == expected
    for result in report.results:
        key = CASES[result.rule.kind][3]
        assert not key or key in result.samples
    rows = line.platform.control.query("SELECT * FROM etl.DataQuality_Log WHERE RunId = :run ORDER BY LogId", {"run": report.run_id})
    assert {str(r["RuleKind"]): (r["Layer"], r["Verdict"], r["RowsFailed"]) for r in rows} == expected
    assert all(json.loads(str(r["SampleKeys"])) == list(q.samples) for r, q in zip(rows, report.results, strict=True))


def test_every_kind_blocks_where_it_is_declared_to(quality_line: Line) -> None:
    line = quality_line
    plant(line)
    plant_schema(line)
    plant_duplicate(line)
    before = line.ods_rows()
    for kind, (parameters, layer, _, _) in CASES.items():
        if kind in NEVER_BROKEN_BY_DATA or layer == Layer.ODS:
            continue
        with pytest.raises(QualityError, match="blocking quality rule broken") as caught:
            load(line, article_spec(quality=[{kind: parameters | {"blocking": True, "name": "stop"}}]))
        assert caught.value.rules == ("stop",)
        assert ("nothing was read" in caught.value.message) is (layer == "source")
    assert line.ods_rows() == before
    for kind, (parameters, layer, _, _) in CASES.items():
        if layer == Layer.ODS:
            result = load(line, article_spec(quality=[{kind: parameters | {"blocking": True}}]))
            assert (result.status, result.error_class) == (Status.FAILED, "QualityError")
    with suppress(QualityError):
        load(line, article_spec())
    assert len(line.ods_rows()) == 201
