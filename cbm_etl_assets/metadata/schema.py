"""The JSON Schema of a table spec, for editors: completion, descriptions and red lines while typing.

Owns the schema as a file. It is generated from the model, so it cannot say something else than the validation does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cbm_etl_assets.metadata.rulekinds import kinds
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind

SCHEMA_FILE = "table.schema.json"
FILE_PATTERN = "*.yaml"
_TYPE_PATTERN = rf"^\s*(({'|'.join(Kind)})|varchar\s*\(\s*\d+\s*\)|binary\s*\(\s*\d+\s*\)|decimal\s*\(\s*\d+\s*(,\s*\d+\s*)?\))\s*$"


def table_schema() -> dict[str, Any]:
    """JSON Schema draft 2020-12 of one `tables/<t>.yaml`."""
    schema = TableSpec.model_json_schema()
    column = schema["$defs"]["ColumnSpec"]["properties"]
    column["type"]["pattern"] = _TYPE_PATTERN
    for option in column["source_type"]["anyOf"]:
        if option.get("type") == "string":
            option["pattern"] = _TYPE_PATTERN
    schema["properties"]["quality"]["items"] = _rules(schema["$defs"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cbm-etl table spec",
        "description": f"One source table, replicated. File pattern: tables/{FILE_PATTERN}",
        **{key: value for key, value in schema.items() if key not in ("title", "description")},
    }


def _rules(defs: dict[str, Any]) -> dict[str, Any]:
    """One line of `quality:`: a name alone, or a name with a bare value, a list or its fields."""
    lines: dict[str, Any] = {}
    for kind in kinds().values():
        model = kind.model.model_json_schema(ref_template="#/$defs/{model}")
        defs.update(model.pop("$defs", {}))
        if kind.each:  # several columns make a rule each
            one = model["properties"][kind.main]
            model["properties"][kind.main] = {"anyOf": [one, {"type": "array", "items": {"type": "string"}}]}
        defs[f"rule_{kind.name}"] = {"type": "object", "description": kind.summary, **_without_title(model)}
        forms: list[dict[str, Any]] = [{"$ref": f"#/$defs/rule_{kind.name}"}, {"type": "null"}]
        if kind.main:
            forms += [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
        lines[kind.name] = {"description": kind.summary, "anyOf": forms}
    whole = {"type": "object", "properties": lines, "additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return {"anyOf": [whole, {"enum": list(lines)}]}


def _without_title(model: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in model.items() if key not in ("title", "description")}


def write_schema(folder: Path) -> Path:
    """Writes the schema beside the specs, under the name their first line points at."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SCHEMA_FILE
    path.write_text(json.dumps(table_schema(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path
