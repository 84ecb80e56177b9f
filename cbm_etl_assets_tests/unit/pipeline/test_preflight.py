"""The judgements that need no server; the statements themselves run against the twin in integration/pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pytest

from cbm_etl_assets.errors import MissingDependencyError, SourceError, SqlWidthError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.preflight import GIB, Check, preflight
from cbm_etl_assets_tests.specs import make_spec
from cbm_etl_assets_tests.unit.pipeline.kit import TableSource, platform_of

SPEC = make_spec()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def catalogue(*indexes: SourceIndex) -> SourceTable:
    columns = tuple(SourceColumn(c.name, LogicalType.parse(c.type), order=i) for i, c in enumerate(SPEC.columns))
    return SourceTable("client", columns, indexes)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[tuple[Platform, TableSource]]:
    platform, source = platform_of(tmp_path, SPEC)
    source.catalogues["client"] = catalogue(SourceIndex("i", ("dat_mod",)))
    source.answer = answers()
    yield platform, source
    platform.close()


def answers(nulls: int = 0, duplicates: tuple[int, ...] = ()) -> Callable[[str], pa.Table]:
    def answer(sql: str) -> pa.Table:
        if "SYSCALCTABLE" not in sql and "FROM" not in sql:
            raise SourceError("syntax error")  # ANSI's clock statement
        if "GROUP BY" in sql:
            return pa.table({"cod_cli": pa.array(duplicates, pa.int64()), "n": pa.array([2] * len(duplicates), pa.int64())})
        return pa.table({"n": [nulls]})

    return answer


def check(platform: Platform, name: str) -> Check:
    return next(c for c in preflight(platform, [SPEC]) if c.name == name)


def fail(error: Exception) -> Callable[..., Any]:
    def work(*_: object) -> Any:
        raise error

    return work


@pytest.mark.parametrize(("index", "status"), [
    (SourceIndex("i", ("dat_mod", "nom")), "ok"), (SourceIndex("i", ("DAT_MOD",)), "ok"), (SourceIndex("i", ("nom", "dat_mod")), "warn"),
    (SourceIndex("i", ("dat_mod",), active=False), "warn"), (SourceIndex("i", ("dat_mod",), word=True), "warn"),
])  # fmt: skip
def test_cursor_needs_an_active_index_that_starts_with_it(line: tuple[Platform, TableSource], index: SourceIndex, status: str) -> None:
    line[1].catalogues["client"] = catalogue(index)
    assert str(check(line[0], "cursor client").status) == status


def test_duplicates_and_nulls_fail_with_their_values(line: tuple[Platform, TableSource]) -> None:
    line[1].answer = answers(duplicates=(7, 9))
    assert check(line[0], "key client").detail == "cod_cli is not unique (first: 7; 9)"
    line[1].answer = answers(nulls=3)
    assert check(line[0], "key client").detail == "3 rows have NULL in cod_cli"


@pytest.mark.parametrize(("free", "status"), [(0.5, "fail"), (2, "warn"), (50, "ok")])
def test_free_disk(line: tuple[Platform, TableSource], monkeypatch: pytest.MonkeyPatch, free: float, status: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 * GIB, 0, int(free * GIB)))
    assert str(check(line[0], "disk").status) == status


def test_a_missing_driver_is_said_once_and_skips_the_rest(line: tuple[Platform, TableSource]) -> None:
    line[1].now = fail(MissingDependencyError("no libodbc.so.2", remedy="apt-get install libodbc2"))
    found = {c.name: c for c in preflight(line[0], [SPEC])}
    assert (str(found["driver"].status), found["driver"].remedy) == ("fail", "apt-get install libodbc2")
    assert [str(found[n].status) for n in ("source", "dialect", "clock", "table client")] == ["skip"] * 4
    assert [str(found[n].status) for n in ("warehouse", "control", "lake")] == ["ok"] * 3


def test_an_over_wide_value_names_its_column_and_remedy(line: tuple[Platform, TableSource]) -> None:
    platform, source = line
    wide = make_spec(columns=[*SPEC.model_dump()["columns"], {"name": "obs", "type": "varchar(10)", "sql_width": 10}])
    source.catalogues["client"] = SourceTable(
        "client", (*catalogue().columns, SourceColumn("obs", LogicalType.parse("varchar(10)"), sql_width=10)), catalogue().indexes
    )
    plain = answers()

    def answer(sql: str) -> pa.Table:
        if "LENGTH" in sql:
            raise SqlWidthError("Column obs in table PUB.client has value exceeding its max length", table="client", column="obs")
        return plain(sql)

    source.answer = answer
    found = next(c for c in preflight(platform, [wide]) if c.name == "widths client")
    assert (str(found.status), "obs" in found.detail, "dbtool" in found.remedy) == ("fail", True, True)


def test_a_lake_that_cannot_be_written_is_a_failed_check(line: tuple[Platform, TableSource], tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("in the way", encoding="utf-8")
    found = check(line[0], "lake")
    assert str(found.status) == "fail"
    assert found.remedy
