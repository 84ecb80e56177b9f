"""A column's place in the record tells that it was dropped and added again; renumbering, renaming and additions do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.types import LogicalType
from cbm_etl_assets.pipeline.places import Places, compared, complete, read, remember, settle
from cbm_etl_assets.pipeline.results import LoadOptions, Mode

KNOWN = Places({"a": 2, "b": 3, "c": 4})


def table(**places: int) -> SourceTable:
    return SourceTable("t", tuple(SourceColumn(name, LogicalType.parse("integer"), place=place) for name, place in places.items()))


@pytest.mark.parametrize(("found", "again"), [
    ({"a": 2, "b": 3, "c": 4}, ()),
    ({"a": 2, "B": 5, "c": 4}, ("b",)),
    ({"a": 6, "b": 5, "c": 4}, ("a", "b")),
    ({"a": 2, "b": 3, "c": 4, "d": 5}, ()),  # added: the drift of its own
    ({"a": 2, "c": 3}, ()),  # dumped without b and loaded
    ({"c": 2, "b": 3, "a": 4}, ()),  # dumped and loaded in another order
    ({"a": 0, "b": 0, "c": 0}, ()),  # a catalogue without numbers
])  # fmt: skip
def test_only_a_number_beyond_all_known_ones_is_news(found: dict[str, int], again: tuple[str, ...]) -> None:
    assert compared(KNOWN, table(**found)).again == again


def test_the_first_look_knows_nothing() -> None:
    assert compared(Places(), table(a=2, b=3)) == Places({"a": 2, "b": 3})


def test_what_waits_goes_on_waiting_while_the_column_is_there() -> None:
    waiting = compared(KNOWN, table(a=2, b=5, c=4))
    assert compared(waiting, table(a=2, b=5, c=4)).again == ("b",)
    assert compared(waiting, table(a=2, c=4)).again == ()


def test_it_is_kept_until_a_complete_read(tmp_path: Path) -> None:
    assert read(tmp_path, "t") == Places()
    remember(tmp_path, "t", Places({"a": 2}, ("a",)))
    assert read(tmp_path, "t").again == ("a",)
    settle(tmp_path, "t")
    assert read(tmp_path, "t") == Places({"a": 2})
    (tmp_path / "run" / "places" / "t.json").write_text("[]")
    assert read(tmp_path, "t") == Places()


@pytest.mark.parametrize(("options", "mode"), [
    (LoadOptions(), Mode.FULL),
    (LoadOptions(Mode.INCREMENTAL), Mode.FULL),
    (LoadOptions(Mode.AUTO, ("2026-01-01",)), Mode.AUTO),
    (LoadOptions(Mode.SWEEP), Mode.SWEEP),
    (LoadOptions(replay=True), Mode.AUTO),
])  # fmt: skip
def test_only_an_incremental_becomes_full(options: LoadOptions, mode: Mode) -> None:
    assert complete(options, ("b",)).mode is mode
    assert complete(options, ()) == options
