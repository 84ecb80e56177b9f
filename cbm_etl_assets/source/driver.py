"""The ODBC driver manager and the drivers: find them, load them, install them without root.

Owns where `libodbc` and driver libraries are and how they get there. Knows nothing of connections, SQL or settings.
Call `load_odbc_manager()` before the first import of pyodbc or arrow_odbc: no Python package bundles unixODBC, and
without it that import itself fails with a bare ImportError.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from cbm_etl_assets.errors import MissingDependencyError

# Order matters: libodbcinst needs libltdl, libodbc needs both.
_MANAGER_LIBRARIES = ("libltdl.so.7", "libodbcinst.so.2", "libodbc.so.2")
_SYSTEM_MANAGERS = ("libodbc.so.2", "libodbc.2.dylib", "/opt/homebrew/lib/libodbc.2.dylib", "/usr/local/lib/libodbc.2.dylib")
_SYSTEM_FOLDERS = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")
_COMMAND_SECONDS = 300


@dataclass(frozen=True)
class DriverFamily:
    """How a driver is called: library files in order of preference, words of its registered name, what to install."""

    name: str
    libraries: tuple[str, ...]
    registered: tuple[str, ...]
    packages: tuple[str, ...]
    remedy: str


FAMILIES: dict[str, DriverFamily] = {
    "psqlodbc": DriverFamily(
        "psqlodbc",
        # The Unicode driver first: the ANSI one recodes through the locale of the process.
        ("psqlodbcw.so", "psqlodbca.so"),
        ("postgresql unicode", "psqlodbcw", "postgresql"),
        # libltdl7, libodbcinst2 and libpq5 are named because `apt-get download` follows no dependency.
        ("odbc-postgresql", "libodbc2", "libodbcinst2", "libltdl7", "libpq5"),
        "as root: apt-get install -y odbc-postgresql libodbc2; without root: cbm-etl twin start installs a private copy",
    ),
    "openedge": DriverFamily(
        "openedge",
        ("pgoe27.so", "pgoe1227.so"),
        ("progress openedge", "openedge"),
        (),
        "install the Progress OpenEdge SQL client (package 'OpenEdge Client Networking' or 'DataDirect OpenEdge ODBC driver'), "
        "run its odbc.sh, and name it in CBM_SOURCE__CONNECTION_STRING, e.g. DRIVER={Progress OpenEdge 12.2 Driver};HOST=...",
    ),
}


def private_folder() -> Path:
    """Where `install_driver_unprivileged` unpacks to: it belongs to the environment and goes with it."""
    return Path(sys.prefix) / "share" / "cbm-odbc"


@cache
def load_odbc_manager() -> str:
    """Make `libodbc` available to later imports; the path or name that was loaded.

    Raises: MissingDependencyError with the remedy.
    """
    if os.name == "nt":
        return "odbc32"  # part of Windows
    for name in _SYSTEM_MANAGERS:
        if _load_global(name):
            return name
    if path := load_manager_from(private_folder()):
        return path
    raise MissingDependencyError(
        "The ODBC driver manager (libodbc.so.2, unixODBC) is not on this machine.", remedy=FAMILIES["psqlodbc"].remedy
    )


def load_manager_from(folder: Path) -> str:
    """Load an unpacked unixODBC with RTLD_GLOBAL, so that an extension module linked to `libodbc.so.2` finds it; '' when not there."""
    loaded = ""
    for library in _MANAGER_LIBRARIES:
        path = next(iter(sorted(folder.rglob(library))), None)
        if path is not None and _load_global(str(path)):
            loaded = str(path)
    return loaded if loaded.endswith(_MANAGER_LIBRARIES[-1]) else ""


def find_driver(family: str = "psqlodbc", folders: Sequence[Path] | None = None) -> str:
    """What to write after `Driver=`: the absolute path of the library (needs no odbcinst.ini), else the registered name.

    Raises: MissingDependencyError with the remedy, MissingDependencyError naming the known families.
    """
    wanted = FAMILIES.get(family)
    if wanted is None:
        raise MissingDependencyError(f"Unknown ODBC driver family '{family}'. Known: {', '.join(sorted(FAMILIES))}.")
    for library in wanted.libraries:
        for folder in _driver_folders() if folders is None else folders:
            if found := next(iter(sorted(folder.glob(library))), None):
                return str(found)
    registered = _registered_drivers() if folders is None else []
    for word in wanted.registered:
        if name := next((n for n in registered if word in n.lower()), None):
            return name
    raise MissingDependencyError(f"The ODBC driver '{family}' is not on this machine.", remedy=wanted.remedy)


def install_driver_unprivileged(target_dir: Path | None = None, family: str = "psqlodbc") -> str:
    """Install the driver and the manager; what `find_driver` then answers. As root through apt, else unpacked into `target_dir`.

    Without root: `apt-get download` and `dpkg -x` into a folder of the environment, nothing global is touched.
    """
    wanted = FAMILIES[family]
    if not wanted.packages or shutil.which("apt-get") is None:
        raise MissingDependencyError(f"The ODBC driver '{family}' cannot be installed from here.", remedy=wanted.remedy)
    if target_dir is None and hasattr(os, "geteuid") and os.geteuid() == 0:
        _run(("apt-get", "install", "-y", "--no-install-recommends", *wanted.packages[:2]), wanted)
    else:
        _unpack(wanted, target_dir or private_folder())
    return find_driver(family, None if target_dir is None else _folders_below(target_dir))


def _unpack(family: DriverFamily, target: Path) -> None:
    archives = target / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    _run(("apt-get", "download", *family.packages), family, cwd=archives)
    for archive in sorted(archives.glob("*.deb")):
        _run(("dpkg", "-x", str(archive), str(target)), family)
    shutil.rmtree(archives)


def _run(command: Sequence[str], family: DriverFamily, cwd: Path | None = None) -> None:
    quiet = ("env", "DEBIAN_FRONTEND=noninteractive", *command)
    done = subprocess.run(quiet, cwd=cwd, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no message"]
        raise MissingDependencyError(f"'{' '.join(command)}' ended with {done.returncode}: {last[0]}", remedy=family.remedy)


def _folders_below(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [*(root / "usr" / "lib").glob("*/odbc"), root / "usr" / "lib" / "odbc"]


def _driver_folders() -> list[Path]:
    folders: list[Path] = []
    for root in map(Path, _SYSTEM_FOLDERS):
        folders += [root, root / "odbc", *sorted(root.glob("*-linux-gnu*/odbc"))]
    return folders + _folders_below(private_folder())


def import_pyodbc() -> Any:
    """The pyodbc module, the manager loaded first. (It ships no typed package, hence Any.)"""
    load_odbc_manager()
    return import_module("pyodbc")


def import_arrow_odbc() -> Any:
    """The arrow_odbc module, the manager loaded first."""
    load_odbc_manager()
    return import_module("arrow_odbc")


def _registered_drivers() -> list[str]:
    return sorted(import_pyodbc().drivers())


def _load_global(name: str) -> bool:
    try:
        ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError:
        return False
    return True
