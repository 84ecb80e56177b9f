"""docs/types.md says of every type what the torture tables prove: its rows are those of `type_cases`, its tests exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from cbm_etl_assets.metadata.types import Kind, LogicalType
from cbm_etl_assets.warehouse.dialects.duckdb import type_name
from cbm_etl_assets_tests.type_cases import CASES, TypeCase

TESTS = Path(__file__).parents[2]
DOCUMENT = (TESTS.parent / "docs" / "types.md").read_text(encoding="utf-8")
TORTURE = "integration/test_types.py::test_every_value_is_exact_or_left_out_in_words"


def row(case: TypeCase) -> str:
    logical = LogicalType.parse(case.logical)
    return f"| {case.source} | {logical} | {logical.arrow()} | {type_name(logical)} | {case.policy} | `[{case.name}]` |"


def test_every_case_is_a_row_and_every_row_a_case() -> None:
    table = re.findall(r"^\| .* \| `\[\w+\]` \|$", DOCUMENT, re.MULTILINE)
    assert table == [row(case) for case in CASES]
    assert f"`{TORTURE}`" in DOCUMENT


def test_every_kind_has_a_case() -> None:
    assert {LogicalType.parse(case.logical).kind for case in CASES} == set(Kind)


def test_every_test_it_names_exists() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)::(test_\w+)`", DOCUMENT))
    assert len(named) > 8
    for path, function in named:
        functions = {n.name for n in ast.walk(ast.parse((TESTS / path).read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)}
        assert function in functions, f"{path}::{function}"
