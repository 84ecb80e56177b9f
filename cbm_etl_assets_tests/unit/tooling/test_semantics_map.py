"""The map of promises and the list of deliberate defects speak of tests and texts that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from cbm_etl_assets_tests.mutations import MUTATIONS, Mutation

TESTS = Path(__file__).parents[2]
ROOT = TESTS.parent
NAMED = sorted(set(re.findall(r"`([a-z_/]+\.py::test_\w+)`", (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8"))))


@cache
def functions(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.FunctionDef)}


def exists(test: str) -> bool:
    name, _, function = test.partition("::")
    return (TESTS / name).is_file() and function in functions(TESTS / name)


def test_every_test_of_the_map_exists() -> None:
    assert len(NAMED) > 60
    assert [test for test in NAMED if not exists(test)] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_every_deliberate_defect_has_a_place_and_a_test(mutation: Mutation) -> None:
    text = (ROOT / mutation.path).read_text(encoding="utf-8")
    assert text.count(mutation.old) == 1, "the code has moved: give the defect its new place"
    assert mutation.new != mutation.old
    assert exists(mutation.test)


def test_every_deliberate_defect_is_listed_for_readers() -> None:
    listed = (ROOT / "docs" / "mutation-check.md").read_text(encoding="utf-8")
    assert [m.name for m in MUTATIONS if f"| {m.name} | `{m.test}` |" not in listed] == []
