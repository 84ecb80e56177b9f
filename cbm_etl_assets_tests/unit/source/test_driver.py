"""The driver manager is found, the driver too, and their absence says what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cbm_etl_assets.errors import MissingDependencyError
from cbm_etl_assets.source import driver


def test_the_manager_loads() -> None:
    assert driver.load_odbc_manager()


def test_the_driver_is_an_absolute_library_or_a_registered_name() -> None:
    found = driver.find_driver("psqlodbc")
    assert Path(found).is_file() or "postgres" in found.lower()


def test_a_missing_driver_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="apt-get install -y odbc-postgresql"):
        driver.find_driver("psqlodbc", [tmp_path])


def test_a_missing_progress_driver_names_the_progress_package(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="OpenEdge SQL client"):
        driver.find_driver("openedge", [tmp_path])


def test_an_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(MissingDependencyError, match="Known: openedge, psqlodbc"):
        driver.find_driver("oracle")


def test_progress_cannot_be_installed_from_packages(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match="cannot be installed"):
        driver.install_driver_unprivileged(tmp_path, "openedge")


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt-get")
def test_an_unpacked_copy_works_without_the_system_one(tmp_path: Path) -> None:
    try:
        library = driver.install_driver_unprivileged(tmp_path / "odbc")
    except MissingDependencyError as error:
        pytest.skip(f"packages cannot be fetched here: {error.message}")
    assert Path(library).is_relative_to(tmp_path)
    code = (
        "import ctypes, sys; from pathlib import Path; from cbm_etl_assets.source.driver import load_manager_from;"
        "print(load_manager_from(Path(sys.argv[1]))); import pyodbc; print(pyodbc.version)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "odbc")], capture_output=True, text=True, timeout=60, check=True)
    assert str(tmp_path) in done.stdout
