"""Rules of the house that neither ruff nor import-linter can say: sizes, where the environment is read, what may be tracked."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "cbm_etl_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in MODULES]


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", MODULES, ids=IDS)
def test_module_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "past 400 lines: split it"
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(ast.parse(text)) if f.end_lineno and f.end_lineno - f.lineno + 1 > 40}
    assert not long, f"functions past 40 lines: {long}"


@pytest.mark.parametrize("path", [p for p in MODULES if p.name == "__init__.py" or p.stat().st_size], ids=str)
def test_only_settings_reads_the_environment(path: Path) -> None:
    if path == PACKAGE / "settings.py":
        return
    reads = re.findall(
        r"os\.getenv\([^)]*\)|os\.environ\.get\([^)]*\)|(?<!\*\*)os\.environ\[[^]]*\](?!\s*=)", path.read_text(encoding="utf-8")
    )
    assert not reads, f"environment read outside settings.py: {reads}"


def test_no_sql_is_built_by_an_f_string_in_execute() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("execute", "executemany", "sql")
        and node.args
        and isinstance(node.args[0], ast.JoinedStr)
    ]
    assert not found


@pytest.mark.parametrize("path", sorted((PACKAGE / "orchestration").glob("*.py")), ids=lambda p: p.name)
def test_orchestration_keeps_real_annotations(path: Path) -> None:
    """`from __future__ import annotations` breaks Dagster's annotated `context` and resource parameters."""
    assert "from __future__ import annotations" not in path.read_text(encoding="utf-8").splitlines()


def test_dagster_reads_workspace_yaml() -> None:
    """Either table in pyproject.toml makes Dagster ignore workspace.yaml."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert not {"dg", "dagster"} & set(tool)


def tracked_files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_no_data_no_build_product_and_nothing_large_is_tracked() -> None:
    files = tracked_files()
    assert not [name for name in files if name.endswith((".duckdb", ".parquet", ".db", ".sqlite", ".wal", ".log", ".pyc"))]
    assert not [name for name in files if (ROOT / name).is_file() and (ROOT / name).stat().st_size > 1_500_000]


def test_constraints_pin_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["twin"], *extras["dev"], *extras["postgres"], *extras["sqlserver"], *extras["otel"]]
    names = {re.split(r"[<>=\[]", line)[0].lower() for line in wanted}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines}
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*==[A-Za-z0-9.!+-]+", line) for line in lines), "plain name==version lines only"
    assert names <= pinned, f"not pinned: {names - pinned}"
