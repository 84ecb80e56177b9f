"""The text form of arrays, both ways."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbm_etl_assets.metadata.extents import extent_text, join_extent, split_extent

ELEMENTS = st.lists(st.one_of(st.none(), st.text(), st.text(alphabet="~;?a\n")), min_size=1, max_size=30)


@given(ELEMENTS)
def test_split_undoes_join(elements: list[str | None]) -> None:
    assert split_extent(join_extent(elements)) == elements


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("123.45;0;-2;0;0", ["123.45", "0", "-2", "0", "0"]),
        ("", [""]),
        (";", ["", ""]),
        ("a~;b;c", ["a;b", "c"]),
        ("a~~;b", ["a~", "b"]),
        ("a~~~;b", ["a~;b"]),
        ("~?;?", ["?", None]),
        ("what?;a~b", ["what?", "a~b"]),
        ("a~", ["a~"]),
        ("line\nbreak;~;", ["line\nbreak", ";"]),
        ("?", [None]),
    ],
)
def test_split(text: str, elements: list[str | None]) -> None:
    assert split_extent(text) == elements


def test_join_escapes_and_refuses_no_element() -> None:
    assert join_extent(["a;b", None, "?", "~"]) == "a~;b;?;~?;~~"
    with pytest.raises(ValueError, match="at least one element"):
        join_extent([])


def test_typed_values_are_spelled_as_the_server_does() -> None:
    values = [Decimal("1E+3"), Decimal("-0.50"), True, False, None, dt.date(2024, 1, 31), dt.datetime(2024, 1, 31, 8, 5), 7]
    assert extent_text(values) == "1000;-0.50;1;0;?;2024-01-31;2024-01-31 08:05:00;7"
