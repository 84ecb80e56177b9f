from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline import blocks
from cbm_etl_assets.pipeline.compare import Comparison, compare
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.unit.pipeline.kit import TableSource, load, platform_of, raw_table

SPEC = make_spec(
    primary_key=["cod_cli"],
    cursor=None,
    columns=[
        {"name": "cod_cli", "type": "varchar(12)"},
        {"name": "nom", "type": "varchar(40)"},
        {"name": "solde", "type": "decimal(12,2)"},
        {"name": "px", "type": "decimal(8,2)", "extent": 3},
        {"name": "actif", "type": "boolean"},
        {"name": "dat_mod", "type": "timestamp"},
        {"name": "vu", "type": "timestamptz"},
        {"name": "taux", "type": "double"},
        {"name": "mail", "type": "varchar(40)", "mask": "hash"},
        {"name": "brut", "type": "binary"},
    ],
)
STAMP = dt.datetime(2026, 10, 25, 2, 30, 0, 123456)
ROWS: list[list[Any]] = [
    ["A1", "Été; ~", Decimal("1.10"), "1;2,5;?".replace(",", "."), True, STAMP, STAMP.replace(tzinfo=dt.UTC), 0.1, "a@b.fr", b"\x00\xff"],
    ["A2", "", Decimal("-0.01"), None, None, None, None, None, None, None],
    ["A3 ", None, None, "?;?;?", False, STAMP, STAMP.replace(tzinfo=dt.UTC), -0.0, "", b""],
]


@dataclass
class Scene:
    platform: Platform
    source: TableSource

    def put(self, spec: TableSpec, rows: list[list[Any]]) -> None:
        self.source.tables[spec.table] = raw_table(spec, rows)

    def compare_after(self, spec: TableSpec, loaded: list[list[Any]], now: list[list[Any]]) -> Comparison:
        self.put(spec, loaded)
        load(self.platform, spec)
        self.put(spec, now)
        return compare(self.platform, spec)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    platform, source = platform_of(tmp_path, SPEC)
    yield Scene(platform, source)
    platform.close()
    assert list((tmp_path / "scratch").iterdir()) == [], "a comparison leaves nothing behind"


def changed(row: int, column: str, value: object) -> list[list[Any]]:
    rows = [list(r) for r in ROWS]
    rows[row][[c.name for c in SPEC.columns].index(column)] = value
    return rows


def test_every_type_compares_equal_after_a_load(scene: Scene) -> None:
    result = scene.compare_after(SPEC, ROWS, ROWS)
    assert result == Comparison("client", 3, 3)
    assert result.equal


def test_physical_order_does_not_matter(scene: Scene) -> None:
    assert scene.compare_after(SPEC, ROWS, ROWS[::-1]).equal


@pytest.mark.parametrize(("row", "column", "value", "reported"), [
    (0, "nom", "Été; ~ ", "nom"), (1, "nom", None, "nom"), (2, "nom", "", "nom"), (0, "solde", Decimal("1.11"), "solde"),
    (1, "px", "?;?;0", "px_3"), (1, "actif", False, "actif"), (0, "dat_mod", STAMP + dt.timedelta(microseconds=1), "dat_mod"),
    (0, "vu", STAMP.replace(tzinfo=dt.UTC) + dt.timedelta(hours=1), "vu"), (0, "taux", 0.1 + 1e-16, "taux"), (0, "mail", "A@b.fr", "mail"),
    (2, "brut", None, "brut"),
])  # fmt: skip
def test_one_changed_value_is_found_and_named(scene: Scene, row: int, column: str, value: object, reported: str) -> None:
    result = scene.compare_after(SPEC, ROWS, changed(row, column, value))
    assert not result.equal
    assert (result.missing, result.extra, result.different, result.columns) == (0, 0, 1, {reported: 1})
    assert len(result.sample) == 1


def test_missing_and_extra_rows_are_counted(scene: Scene) -> None:
    result = scene.compare_after(SPEC, ROWS, [*ROWS[1:], ["B1", *ROWS[0][1:]], ["B2", *ROWS[0][1:]]])
    assert (result.rows_source, result.rows_ods, result.missing, result.extra, result.different) == (4, 3, 2, 1, 0)
    assert not result.equal
    assert sorted(result.sample) == [("A1",), ("B1",), ("B2",)]


def test_a_repeated_key_at_the_source_is_not_equal(scene: Scene) -> None:
    """ODS holds one of the two rows, as a load does: no key is missing, and yet the counts differ."""
    result = scene.compare_after(SPEC, ROWS, [*ROWS, ROWS[0]])
    assert (result.rows_source, result.rows_ods, result.missing, result.equal) == (4, 3, 0, False)


def test_keys_that_differ_in_case_only_are_the_same_row_with_another_value(scene: Scene) -> None:
    result = scene.compare_after(SPEC, ROWS, changed(0, "cod_cli", "a1"))
    assert (result.missing, result.extra, result.different, result.columns) == (0, 0, 1, {"cod_cli": 1})


def test_empty_tables_are_equal(scene: Scene) -> None:
    assert scene.compare_after(SPEC, [], []) == Comparison("client", 0, 0)


def test_without_a_key_rows_are_a_multiset(scene: Scene) -> None:
    spec = SPEC.model_validate(SPEC.model_dump() | {"primary_key": ()})
    twice = [*ROWS, ROWS[0]]
    assert scene.compare_after(spec, twice, twice[::-1]).equal
    result = scene.compare_after(spec, twice, [*ROWS, ROWS[1]])
    assert (result.rows_source, result.rows_ods, result.missing, result.extra, result.equal) == (4, 4, 1, 1, False)


def test_the_answer_does_not_depend_on_the_block_size(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_CELLS", 1)
    split = blocks.column_blocks(SPEC.kept_columns, 3, 1)
    assert [len(b) for b in split] == [1] * 10
    result = scene.compare_after(SPEC, ROWS, changed(0, "taux", 7.0))
    assert result.columns == {"taux": 1}


def test_blocks_count_the_elements_of_an_extent() -> None:
    names = [[c.name for c in block] for block in blocks.column_blocks(SPEC.kept_columns[:5], 10, 40)]
    assert names == [["cod_cli", "nom", "solde"], ["px", "actif"]]
    assert blocks.column_blocks([], 10) == []
