from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = """
import pytest
def test_dumps():
    pytest.skip("set CBM_REAL_DUMPS")
def test_other():
    pytest.skip("no chromium here")
"""
MODULE_SKIP = 'import pytest\npytest.skip("CBM_REAL_DUMPS is not set", allow_module_level=True)\n'


def run_pytest(folder: Path, required: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "cbm_etl_assets_tests.no_silent_skips", str(folder)]
    command += ["--rootdir", str(folder), "-c", os.devnull]
    here = str(Path(__file__).parents[3])
    env = {**os.environ, "CBM_REQUIRE_REAL_DUMPS": required, "PYTHONPATH": here}
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60).stdout


@pytest.mark.parametrize(("required", "expected"), [("1", "1 failed, 1 skipped"), ("0", "2 skipped")])
def test_a_skip_for_missing_dumps_fails_where_they_are_promised(tmp_path: Path, required: str, expected: str) -> None:
    (tmp_path / "test_sample.py").write_text(SKIPS)
    assert expected in run_pytest(tmp_path, required)


def test_a_whole_module_cannot_be_skipped_either(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(MODULE_SKIP)
    assert "1 error" in run_pytest(tmp_path, "1")
