"""The text form of an OpenEdge array: elements joined by ';'. The reference that twin and transform are held against.

`~;` is a semicolon of the data, `~~` a tilde, `~?` a question mark, a bare `?` a NULL element. Owns that spelling both
ways and nothing else: how many elements a column must have and their types are the caller's.
Source: OpenEdge SQL reference, PRO_ELEMENT and PRO_ARR_DESCAPE.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

SEPARATOR = ";"
NULL_ELEMENT = "?"
_SPECIAL = re.compile(r"[~;?]")
_PIECE = re.compile(r"((?:~.|[^;])*)(;|\Z)", re.DOTALL)
_ESCAPED = re.compile(r"~([~;?])")


def join_extent(elements: Iterable[str | None]) -> str:
    """The text OpenEdge SQL delivers for an array: ['a;b', None, '?'] -> 'a~;b;?;~?'.

    Raises: ValueError on no element, because '' already means one empty element.
    """
    pieces = [NULL_ELEMENT if element is None else _SPECIAL.sub(r"~\g<0>", element) for element in elements]
    if not pieces:
        raise ValueError("an array has at least one element; a NULL array is None, not an empty list")
    return SEPARATOR.join(pieces)


def split_extent(text: str) -> list[str | None]:
    """The elements of an array's text; exact inverse of `join_extent`.

    A '?' inside a longer element and a '~' before any other character are data: servers older than 12 leave them bare.
    """
    elements: list[str | None] = []
    for found in _PIECE.finditer(text):
        raw = found[1]
        elements.append(None if raw == NULL_ELEMENT else _ESCAPED.sub(r"\1", raw) if "~" in raw else raw)
        if not found[2]:
            break
    return elements


def element_text(value: object) -> str | None:
    """One typed value as the server spells it inside an array: dates in ISO, logicals 1/0, decimals without exponent."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def extent_text(values: Sequence[object]) -> str:
    """`join_extent` over typed values: [Decimal('123.45'), 0, None] -> '123.45;0;?'."""
    return join_extent(element_text(value) for value in values)
