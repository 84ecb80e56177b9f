"""A wheel carries what the code reads beside itself: SQL files, demo specs, the twin's profile, Dagster's settings."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(out)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_every_data_file_is_in_the_wheel(wheel: Path) -> None:
    package = ROOT / "cbm_etl_assets"
    wanted = {f"cbm_etl_assets/_sql/{path.relative_to(ROOT / 'sql').as_posix()}" for path in (ROOT / "sql").rglob("*.sql")}
    wanted |= {path.relative_to(ROOT).as_posix() for suffix in ("yaml", "json", "sql") for path in package.rglob(f"*.{suffix}")}
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wanted
    assert not wanted - names
    assert not [name for name in names if name.startswith("cbm_etl_assets_tests/")]


def test_the_wheel_finds_its_own_sql(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    code = "from cbm_etl_assets.warehouse.sql import sql_root; print(sql_root())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == tmp_path / "cbm_etl_assets" / "_sql"
