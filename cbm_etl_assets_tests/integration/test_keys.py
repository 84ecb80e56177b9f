"""Keys compared as their source compares them: the dialect's rule, or the column's own, through the whole line.

Loose = without case and trailing blanks (OpenEdge's default), strict = byte by byte (everybody else's). Each combination is driven through
full, incremental and sweep loads, deletes, returns, history and the certificate; the sameness of `_key_hash` is read from ODS.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex, SourceTable
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.twin import store
from cbm_etl_assets.twin.handle import TwinHandle

pytestmark = pytest.mark.integration
OLD, NEW = dt.datetime(2026, 1, 5, 8), dt.datetime(2026, 1, 6, 8)
LOOSE = [("openedge", None), ("openedge", False), ("ansi", False)]
STRICT = [("openedge", True), ("ansi", None), ("ansi", True)]


def source_table(is_strict: bool) -> SourceTable:
    text = LogicalType.parse("varchar(12)")
    return SourceTable(
        "article",
        (
            SourceColumn("k", text, "character", mandatory=True, sql_width=12, order=10, case_sensitive=is_strict),
            SourceColumn("n", LogicalType.parse("integer"), "integer", mandatory=True, order=20),
            SourceColumn("label", text, "character", sql_width=12, order=30),
            SourceColumn("dat_mod", LogicalType.parse("timestamp"), "datetime", order=40),
        ),
        (SourceIndex("pk", ("k", "n"), unique=True, primary=True),),
    )


class Keys:
    """`article` with the key (k, n), history on."""

    def __init__(self, twin: TwinHandle, home: Path, dialect: str, declared: bool | None) -> None:
        self.twin = twin
        string = SecretStr(twin.odbc if dialect == "openedge" else twin.plain_odbc)
        settings = Settings(home=home, source=SourceSettings.model_validate({"connection_string": string, "dialect": dialect}))
        columns: list[dict[str, Any]] = [
            {"name": "k", "type": "varchar(12)", "sql_width": 12, "case_sensitive": declared}, {"name": "n", "type": "integer"},
            {"name": "label", "type": "varchar(12)", "sql_width": 12}, {"name": "dat_mod", "type": "timestamp"},
        ]  # fmt: skip
        self.spec = TableSpec.model_validate({
            "table": "article", "source_schema": "PUB" if dialect == "openedge" else "pub", "primary_key": ["k", "n"], "columns": columns,
            "cursor": {"columns": ["dat_mod"], "lookback": "0d"}, "history": True,
        })  # fmt: skip
        self.platform: Platform = open_platform(settings, {"article": self.spec})
        with twin.pg() as conn:
            store.create_table(conn, source_table(declared is True))

    def put(self, key: str, label: str, stamp: dt.datetime = OLD, n: int = 1) -> None:
        self.run("INSERT INTO pub.article VALUES (%s, %s, %s, %s)", key, n, label, stamp)

    def run(self, sql: str, *parameters: object) -> None:
        with self.twin.pg() as conn:
            assert conn.execute(sql.encode(), parameters).rowcount

    def load(self, mode: Mode) -> LoadResult:
        return load_table(self.platform, self.spec, LoadOptions(mode, allow_mass_delete=True))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.platform.warehouse.query(sql).rows

    @property
    def live(self) -> dict[str, str]:
        return dict(self.query("SELECT k || '/' || n, label FROM ods.article WHERE NOT _is_deleted"))

    @property
    def versions(self) -> list[tuple[Any, ...]]:
        """(key as spelled, label, open?) in order, and whether all of them are one row's."""
        return self.query("SELECT k, label, _valid_to IS NULL FROM ods.article_history WHERE n = 1 ORDER BY _valid_from, k")

    @property
    def identities(self) -> int:
        return int(self.query("SELECT count(DISTINCT _key_hash) FROM ods.article_history WHERE n = 1")[0][0])


@pytest.fixture
def keys(request: pytest.FixtureRequest, clean_twin: TwinHandle, tmp_path: Path) -> Iterator[Keys]:
    made = Keys(clean_twin, tmp_path, *request.param)
    made.put("other", "same", n=2)
    yield made
    made.platform.close()


def ids(combination: tuple[str, bool | None]) -> str:
    return f"{combination[0]}-{combination[1]}"


@pytest.mark.parametrize("keys", LOOSE, indirect=True, ids=ids)
def test_a_loose_key_spelled_anew_is_the_same_row(keys: Keys) -> None:
    keys.put("Abc", "one")
    keys.load(Mode.FULL)
    keys.run("UPDATE pub.article SET k = 'aBC  ', label = 'two', dat_mod = %s WHERE k = 'Abc'", NEW)
    assert keys.load(Mode.INCREMENTAL).outcome.updated == 1
    assert keys.live == {"aBC  /1": "two", "other/2": "same"}
    assert keys.versions == [("Abc", "one", False), ("aBC  ", "two", True)]
    assert keys.identities == 1
    keys.run("UPDATE pub.article SET k = 'ABC' WHERE n = 1")
    swept = keys.load(Mode.SWEEP).outcome
    assert (swept.unchanged, swept.deleted) == (2, 0), "a sweep knows it by its hash"
    assert verify(keys.platform, keys.spec).different == 1, "its spelling is a value: no incremental finds that one"
    full = keys.load(Mode.FULL).outcome
    assert (full.updated, full.inserted, full.deleted) == (1, 0, 0)
    assert verify(keys.platform, keys.spec).equal
    keys.run("DELETE FROM pub.article WHERE n = 1")
    assert keys.load(Mode.SWEEP).outcome.deleted == 1
    keys.put("abc", "back", NEW)
    assert keys.load(Mode.FULL).outcome.resurrected == 1
    assert (keys.live, keys.identities) == ({"abc/1": "back", "other/2": "same"}, 1)
    assert verify(keys.platform, keys.spec).equal


@pytest.mark.parametrize("keys", [("ansi", False)], indirect=True, ids=ids)
def test_a_loose_key_spelled_anew_without_a_stamp_is_found_by_the_second_look(keys: Keys) -> None:
    """Read shortly after its stamp, so read again by key: by the spelling ODS holds, which the source no longer has. OpenEdge's own
    `=` finds it; a source that compares byte by byte is asked in a way that does. (The twin's `=` compares data byte by byte.)"""
    now = keys.platform.source.clock()
    keys.put("Abc", "one", now)
    keys.put("zzz", "later", now + dt.timedelta(seconds=1), n=3)  # the watermark stands beyond
    keys.load(Mode.FULL)
    keys.run("UPDATE pub.article SET k = 'aBC ' WHERE k = 'Abc'")
    assert keys.load(Mode.INCREMENTAL).outcome.deleted == 0
    assert keys.live["aBC /1"] == "one"


@pytest.mark.parametrize("keys", STRICT, indirect=True, ids=ids)
def test_a_strict_key_spelled_anew_is_another_row(keys: Keys) -> None:
    keys.put("abc", "one")
    keys.put("ABC", "two")
    keys.put("abc ", "three")
    assert keys.load(Mode.FULL).outcome.inserted == 4
    assert keys.identities == 3
    keys.run("UPDATE pub.article SET k = 'Abc', dat_mod = %s WHERE k = 'abc'", NEW)
    assert keys.load(Mode.INCREMENTAL).outcome.inserted == 1
    assert keys.live.keys() == {"abc/1", "Abc/1", "ABC/1", "abc /1", "other/2"}, "the old one goes with the next sweep"
    assert keys.load(Mode.SWEEP).outcome.deleted == 1
    assert keys.live == {"Abc/1": "one", "ABC/1": "two", "abc /1": "three", "other/2": "same"}
    assert (keys.identities, keys.versions[-1][2] or keys.versions[0][2]) == (4, True)
    assert verify(keys.platform, keys.spec).equal
    keys.run("DELETE FROM pub.article WHERE k = 'ABC'")
    assert keys.load(Mode.FULL).outcome.deleted == 1
    assert keys.live.keys() == {"Abc/1", "abc /1", "other/2"}
    assert verify(keys.platform, keys.spec).equal


@pytest.mark.parametrize("keys", LOOSE, indirect=True, ids=ids)
def test_two_spellings_of_a_loose_key_are_duplicates(keys: Keys) -> None:
    """OpenEdge's own index refuses the second; where a view or a join delivers both, the later one wins and is counted."""
    keys.put("abc", "early")
    keys.put("ABC ", "late", NEW)
    outcome = keys.load(Mode.FULL).outcome
    assert (outcome.inserted, outcome.deduplicated) == (2, 1)
    assert keys.live == {"ABC /1": "late", "other/2": "same"}
