"""Validation of one spec, with messages naming FILE, LINE and FIELD.

Owns the translation of Pydantic's errors; the rules themselves are the model's. Lines are only looked up when something
is wrong, because that costs a second parse.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.spec import MAX_COLUMNS, TableSpec
from cbm_etl_assets.metadata.specrules import known
from cbm_etl_assets.metadata.yamltext import Path as Place
from cbm_etl_assets.metadata.yamltext import lines_of

MAX_PROBLEMS = 20  # more than a screen helps nobody
MAX_DETAILS = 500  # of which those 20 are the first by line
_RULE = re.compile(r"([a-z_]+(?:\.[a-z_0-9]+)*): (.+)", re.DOTALL)
_REMEDY = "correct the file; `cbm-etl tables schema` writes the JSON Schema for your editor"


def validate(data: Any, text: str, file: Path) -> TableSpec:
    """The spec of parsed YAML. Raises: SpecError listing every problem of the file."""
    if data is None:
        raise SpecError(f"{file}: the file is empty; a spec has at least `table:` and `columns:`", remedy="cbm-etl tables add writes one")
    if not isinstance(data, dict):
        raise SpecError(f"{file}:1: a spec is a mapping of fields such as `table: client`, not a {_kind(data)}", remedy=_REMEDY)
    columns = data.get("columns")
    if isinstance(columns, list) and len(columns) > MAX_COLUMNS:
        raise SpecError(explain(file, text, [(("columns",), f"{len(columns):,} columns; at most {MAX_COLUMNS:,}")]), remedy=_REMEDY)
    if nulls := list(_ambiguous_masks(data)):
        raise SpecError(explain(file, text, nulls), remedy="write mask: 'null' in quotes to hide the value, or take the mask away")
    try:
        return TableSpec.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)[:MAX_DETAILS]
        problems = [problem for detail in details for problem in _problems(detail)]
        raise SpecError(explain(file, text, problems), remedy=_REMEDY) from None


def explain(file: Path, text: str, problems: Sequence[tuple[Place, str]]) -> str:
    """'file:line: field: problem', one line a problem, in order of line."""
    lines = lines_of(text, str(file))
    placed = sorted(((_line(place, lines), place, problem) for place, problem in problems), key=lambda p: p[0])
    shown = [f"{file}:{line}: {_dotted(place)}{problem}" for line, place, problem in placed[:MAX_PROBLEMS]]
    if len(placed) > MAX_PROBLEMS:
        shown.append(f"{file}: and more problems")
    return "\n".join(shown)


def _line(place: Place, lines: dict[Place, int]) -> int:
    """The line of the value, else of the nearest thing around it that has one."""
    while place and place not in lines:
        place = place[:-1]
    return lines.get(place, 1)


def _dotted(place: Place) -> str:
    """('columns', 3, 'type') -> 'columns[3].type: ', items counted from 0 as JSON Schema does."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return f"{text}: " if text else ""


def _ambiguous_masks(data: dict[str, Any]) -> list[tuple[Place, str]]:
    """YAML's null in `mask: null` would leave the value in clear, where the writer meant to hide it."""
    columns = data.get("columns")
    found = enumerate(columns) if isinstance(columns, list) else ()
    return [
        (("columns", i, "mask"), "null without quotes means no mask at all")
        for i, column in found
        if isinstance(column, dict) and "mask" in column and column["mask"] is None
    ]


def _problems(detail: ErrorDetails) -> list[tuple[Place, str]]:
    place: Place = tuple(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return [(place, f"unknown field.{known(_fields(place[:-1]), str(place[-1]))}")]
    if detail["type"] == "missing":
        return [(place, "is missing")]
    if detail["type"] != "value_error":
        return [(place, f"{_shown(detail['input'])}: {detail['msg'].lower()}")]
    message = str(detail.get("ctx", {}).get("error", detail["msg"]))
    return [_rule(line) for line in message.splitlines()] if not place else [(place, message)]


def _rule(line: str) -> tuple[Place, str]:
    """A breach of `metadata.specrules` begins with the path of its field."""
    found = _RULE.fullmatch(line)
    if found is None:
        return (), line
    return tuple(int(step) if step.isdigit() else step for step in found[1].split(".")), found[2]


def _shown(value: Any) -> str:
    text = str(value) if isinstance(value, str | int | float) else _kind(value)
    return f"'{text}'" if len(text) <= 60 else f"'{text[:57]}...'"


def _kind(value: Any) -> str:
    names: dict[type, str] = {dict: "mapping", list: "list", str: "text", type(None): "null"}
    return names.get(type(value), type(value).__name__)


def _fields(place: Place) -> list[str]:
    """Names of the fields a model has at that place."""
    model: Any = TableSpec
    for step in place:
        if isinstance(step, str) and step in getattr(model, "model_fields", {}):
            model = _model_in(model.model_fields[step].annotation)
    return list(getattr(model, "model_fields", {}))


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (tuple, typing.Union, types.UnionType):
        return next((model for part in typing.get_args(annotation) if (model := _model_in(part)) is not None), None)
    return None
