"""What a run makes of each change: loaded, kept, reported, ignored or stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cbm_etl_assets.control.port import DriftRow
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.sync import diff
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.drift import Drift, judge, supertype
from cbm_etl_assets_tests.line_fixture import article_spec, source_table

UNDECLARED = DriftRow("undeclared", "safe", "cod_tva", "", "integer", "", "ignored", id=1)


def column(name: str, kind: str, **more: Any) -> SourceColumn:
    return SourceColumn(name, LogicalType.parse(kind), order=900, **more)


def table(*added: SourceColumn, without: str = "", **types: str) -> SourceTable:
    base = source_table()
    kept = [c for c in base.columns if c.name != without]
    changed = [replace(c, type=LogicalType.parse(types[c.name])) if c.name in types else c for c in kept]
    return replace(base, columns=(*changed, *added))


def judged(source: SourceTable, spec: TableSpec | None = None, known: tuple[DriftRow, ...] = (), *, is_first: bool = False) -> Drift:
    spec = spec or article_spec()
    return judge(spec, diff(spec, source), known, is_first=is_first)


def consequences(drift: Drift) -> list[tuple[str, str]]:
    return [(row.kind, row.consequence) for row in drift.rows]


@pytest.mark.parametrize(("one", "other", "expected"), [
    ("integer", "bigint", "bigint"), ("bigint", "integer", "bigint"), ("integer", "decimal(5,2)", "decimal(12,2)"),
    ("decimal(12,3)", "decimal(10,4)", "decimal(13,4)"), ("date", "timestamp", "timestamp"), ("bigint", "varchar(3)", "varchar"),
    ("varchar(3)", "varchar(9)", "varchar(9)"), ("varchar", "varchar(9)", "varchar"), ("integer", "double", "double"),
    ("bigint", "double", None), ("date", "varchar(10)", None), ("boolean", "integer", None), ("decimal(38,0)", "decimal(38,10)", None),
    ("timestamp", "timestamptz", None),
])  # fmt: skip
def test_the_type_that_holds_both(one: str, other: str, expected: str | None) -> None:
    found = supertype(LogicalType.parse(one), LogicalType.parse(other))
    assert (found and str(found)) == expected


def test_an_unchanged_table_keeps_its_very_spec() -> None:
    spec = article_spec()
    assert judged(source_table(), spec).spec is spec


def test_an_added_column_is_loaded_under_a_free_name() -> None:
    drift = judged(table(column("gencod_v", "integer")))
    assert consequences(drift) == [("added", "loaded")]
    assert [c.target_name for c in drift.spec.columns][-1] == "gencod_v_2"


def test_what_the_first_load_left_out_stays_out() -> None:
    source = table(column("cod_tva", "integer"))
    assert consequences(judged(source, is_first=True)) == [("undeclared", "ignored")]
    assert consequences(judged(source, known=(UNDECLARED,))) == [("undeclared", "ignored")]
    came = replace(UNDECLARED, kind="added", consequence="loaded")
    assert consequences(judged(source, known=(came,), is_first=True)) == [("added", "loaded")]


def test_a_narrower_source_column_keeps_the_declared_type() -> None:
    """SD07: what does not fit is the reader's to report, ODS keeps the room."""
    drift = judged(table(qte="decimal(9,2)"))
    assert consequences(drift) == [("narrowed", "reported")]
    assert drift.spec.column("qte").type == "decimal(12,3)"


def test_a_column_that_shrinks_to_a_smaller_kind_is_read_as_it_comes_and_kept_as_it_was() -> None:
    spec = article_spec(columns=[*[c.model_dump(exclude_unset=True) for c in article_spec().columns], {"name": "nb", "type": "bigint"}])
    drift = judged(table(column("nb", "integer")), spec)
    assert (drift.spec.column("nb").type, drift.spec.column("nb").source_type) == ("bigint", "integer")


@pytest.mark.parametrize(("source", "words"), [
    (table(without="cod_art"), "column 'cod_art' is gone from the source; it is in primary_key"),
    (table(without="dat_mod"), "column 'dat_mod' is gone from the source; it is in cursor"),
    (table(qte="date"), r"column 'qte' is date in the source and decimal\(12,3\) in the spec; no type holds both"),
    (table(dat_mod="varchar(20)"), "column 'dat_mod' is .* no type holds both"),
    (table(column("cod_artic", "varchar(12)"), without="cod_art"), "probably renamed to 'cod_artic'; it is in primary_key"),
])  # fmt: skip
def test_what_cannot_be_followed_stops_in_words(source: SourceTable, words: str) -> None:
    import re

    drift = judged(source)
    assert re.search(words, drift.stop)
    assert "stopped" in [row.consequence for row in drift.rows]
    assert drift.spec == article_spec()


def test_a_cursor_that_went_may_be_done_without() -> None:
    drift = judged(table(without="dat_mod"), article_spec(cursor={"columns": ["dat_mod"], "on_missing": "full"}))
    assert (drift.stop, drift.spec.cursor, drift.spec.partition) == ("", None, None)


def test_a_split_column_that_went_leaves_one_reader() -> None:
    drift = judged(table(without="qte"), article_spec(split={"column": "qte", "parts": 2}))
    assert (drift.stop, drift.spec.split) == ("", None)


def test_a_masked_column_keeps_its_text() -> None:
    columns = [c.model_dump(exclude_unset=True) for c in article_spec().columns]
    columns[3] = {"name": "qte", "type": "varchar", "source_type": "decimal(12,3)", "mask": "hash"}
    drift = judged(table(qte="date"), article_spec(columns=columns))
    assert (drift.stop, drift.spec.column("qte").type, drift.spec.column("qte").source_type) == ("", "varchar", "date")


@pytest.mark.parametrize(
    "source", [table(without="qte"), table(qte="decimal(18,4)"), table(column("qte_x", "decimal(12,3)"), without="qte")]
)
def test_a_frozen_table_stops(source: SourceTable) -> None:
    assert "the table is frozen" in judged(source, article_spec(drift="freeze")).stop


def test_a_frozen_table_reports_additions() -> None:
    spec = article_spec(drift="freeze")
    drift = judged(table(column("cod_tva", "integer")), spec)
    assert (consequences(drift), drift.stop, drift.spec) == ([("added", "reported")], "", spec)


def test_a_longer_array_brings_its_columns_a_shorter_one_stops() -> None:
    columns = [*[c.model_dump(exclude_unset=True) for c in article_spec().columns], {"name": "px", "type": "integer", "extent": 3}]
    longer = judged(table(column("px", "integer", extent=5)), article_spec(columns=columns))
    assert longer.spec.column("px").target_names[-1] == "px_5"
    assert "was an array of 3 and is one of 2" in judged(table(column("px", "integer", extent=2)), article_spec(columns=columns)).stop
