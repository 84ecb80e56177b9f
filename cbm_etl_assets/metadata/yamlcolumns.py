"""A shortcut for the bulk of a spec: `  - {name: ..., type: ...}` lines, read by one regular expression each.

Measured on two busy cores: a catalogue of 500 tables and 150,000 columns opens in 4.3 s instead of 9.6 s.
Owns lines that mean the same to every YAML reader, and nothing else: at the first doubt it
answers None and the file is read by `metadata.yamltext` alone, which also words every error. A property test holds the
two equal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

_HEADER = re.compile(r"^columns:[ ]*\n", re.MULTILINE)
_PLAIN = r"[A-Za-zÀ-ÖØ-öø-ÿ_][A-Za-zÀ-ÖØ-öø-ÿ0-9_./()@'-]*(?: [A-Za-zÀ-ÖØ-öø-ÿ0-9_./()@'-]+)*|[0-9]{1,9}"
_PAIR = re.compile(rf'(([a-z_]+): (?:"([^"\\]*)"|({_PLAIN}))(?:, |\}}\Z))')
_ODD = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")
_OPENING = "  - {"
_NULLS = frozenset({"null", "Null", "NULL"})


def split_columns(text: str, slow: Callable[[str], Any]) -> dict[str, Any] | None:
    """The whole document where `columns:` comes last in lines of this form, else None. `slow` reads any YAML text."""
    found = _HEADER.search(text)
    if found is None or _ODD.search(text):
        return None
    columns = []
    for line in text[found.end() :].split("\n"):
        if line:
            column = _column(line) if line.startswith(_OPENING) else None
            if column is None:
                column = _slow_column(line, slow)
            if column is None:
                return None
            columns.append(column)
    head = slow(text[: found.start()]) if columns else None
    if not isinstance(head, dict) or "columns" in head:
        return None
    return {**head, "columns": columns}


def _column(line: str) -> dict[str, str | None] | None:
    pairs = _PAIR.findall(line, len(_OPENING))
    if sum(len(pair[0]) for pair in pairs) != len(line) - len(_OPENING):
        return None
    column = {key: (None if plain in _NULLS else plain) if plain else quoted for _, key, quoted, plain in pairs}
    return column if len(column) == len(pairs) else None


def _slow_column(line: str, slow: Callable[[str], Any]) -> dict[str, Any] | None:
    """A column with a nested value, e.g. clean: {trim: true}, on one line."""
    if not (line.startswith(_OPENING) and line.endswith("}")):
        return None
    value = slow(line)
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else None
