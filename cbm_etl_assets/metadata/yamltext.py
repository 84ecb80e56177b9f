"""YAML text -> plain Python, with the line of every value.

Owns the safe subset of YAML that specs are written in: mappings, lists and scalars. Tags and aliases are refused, so no
Python object is ever built and no few bytes unfold into gigabytes. Scalars stay text, except null, for the model to
convert: `label: 2024`, `label: no` and `code: 007` are what they look like. Under `free` keys, whose shape no model
knows, plain numbers and booleans are converted here. Knows nothing of specs.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

import yaml

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.yamlcolumns import split_columns

try:  # libyaml parses 8 times as fast; wheels of PyYAML hold it, a source build may not
    from yaml import CSafeLoader as _Loader
except ImportError:
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]

Path = tuple[str | int, ...]
MAX_DEPTH = 20
MAX_VALUES = 150_000  # the 5,000 columns OpenEdge allows, with ten fields each, are 100,000; a file full of commas stops in a second
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]*([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+")
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def parse_yaml(text: str, where: str, free: frozenset[str] = frozenset()) -> Any:
    """The one document of the text, None when it is empty. Raises: SpecError with the line."""
    try:
        quick = split_columns(text, lambda part: _build(part, where, free, None))
    except SpecError:
        quick = None  # a part may be wrong where the whole is right, and its line numbers are not the file's
    return _build(text, where, free, None) if quick is None else quick


def lines_of(text: str, where: str) -> dict[Path, int]:
    """Line (1-based) of every value by its path. For messages only: it costs a second parse."""
    lines: dict[Path, int] = {}
    _build(text, where, frozenset(), lines)
    return lines


def _build(text: str, where: str, free: frozenset[str], lines: dict[Path, int] | None) -> Any:
    try:
        builder = _Builder(where, free, lines)
        for event in yaml.parse(text, Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise SpecError(
            f"{where}{place}: not valid YAML: {error.problem or error.context}", remedy="check quotes, colons and indentation"
        ) from None
    except yaml.YAMLError as error:
        raise SpecError(f"{where}: not valid YAML: {str(error).splitlines()[0]}", remedy="save the file as UTF-8 text") from None
    return builder.root


class _Builder:
    """Builds the value from parse events, without recursion: depth is checked, not survived."""

    def __init__(self, where: str, free: frozenset[str], lines: dict[Path, int] | None) -> None:
        self.root: Any = None
        self._where = where
        self._free = free
        self._lines = lines
        self._stack: list[Any] = []  # open mappings and lists
        self._keys: list[str | None] = []  # of each, the key that waits for its value
        self._documents = 0
        self._values = 0

    def take(self, event: yaml.Event) -> None:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._scalar(event)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            self._open(event, {} if kind is yaml.MappingStartEvent else [])
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close()
        elif kind is yaml.AliasEvent or kind is yaml.DocumentStartEvent:
            self._refuse_odd(event)

    def _refuse_odd(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, f"alias *{event.anchor}", "write the value out")
        self._documents += 1
        if self._documents > 1:
            self._refuse(event, "second document (---)", "one file holds one table")

    def _refuse(self, event: Any, what: str, remedy: str) -> NoReturn:
        raise SpecError(f"{self._where}:{event.start_mark.line + 1}: {what} is not allowed in a spec", remedy=remedy)

    @property
    def _awaits_key(self) -> bool:
        return bool(self._stack) and self._keys[-1] is None and type(self._stack[-1]) is dict

    def _scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse(event, f"tag {event.tag}", "write a plain value")
        value: Any = event.value
        if self._awaits_key:
            self._key(value, event)
            return
        if event.implicit[0]:  # written without quotes
            value = None if value in _NULLS else self._free_value(value) if self._free else value
        self._put(value, event)
        if self._keys:
            self._keys[-1] = None

    def _key(self, key: str, event: Any) -> None:
        if key in self._stack[-1]:
            raise SpecError(f"{self._where}:{event.start_mark.line + 1}: '{key}' is given twice", remedy="keep one of the two")
        self._keys[-1] = key

    def _free_value(self, text: str) -> Any:
        if not self._keys or self._keys[0] not in self._free:
            return text
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _INT.fullmatch(text):
            return int(text)
        return float(text) if _FLOAT.fullmatch(text) else text

    def _open(self, event: Any, value: Any) -> None:
        if event.tag is not None:
            self._refuse(event, f"tag {event.tag}", "write a plain mapping or list")
        if self._awaits_key:
            self._refuse(event, "a mapping or list as a key", "keys are plain words")
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(event, f"nesting deeper than {MAX_DEPTH} levels", "no field of a spec is that deep")
        self._put(value, event)
        self._stack.append(value)
        self._keys.append(None)

    def _close(self) -> None:
        self._stack.pop()
        self._keys.pop()
        if self._keys:
            self._keys[-1] = None

    def _put(self, value: Any, event: Any) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES:,} values", "one file holds one table")
        if not self._stack:
            self.root = value
        elif type(self._stack[-1]) is dict:
            self._stack[-1][self._keys[-1]] = value
        else:
            self._stack[-1].append(value)
        if self._lines is not None:
            steps = zip(self._stack, self._keys, strict=True)
            path = tuple(len(container) - 1 if isinstance(container, list) else str(key) for container, key in steps)
            self._lines[path] = event.start_mark.line + 1
