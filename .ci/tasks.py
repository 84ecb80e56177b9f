"""The project's entry points: env, demo, test, lint, bench, ui, clean. `make X` and `nox -s X` both end here.

Owns the environment (.venv, packages, ODBC driver, Chromium) and the order of the checks. Standard library only, Python 3.8
syntax, because it runs before anything is installed. Knows nothing of what the commands it starts do.
VENV=/some/environment in the process environment uses that environment as it is and installs nothing.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST, NEWEST = (3, 11), (3, 13)
# The driver of SQL Server only where there is one to test against.
EXTRAS = "dev,twin,postgres,otel" + (",sqlserver" if os.environ.get("CBM_TEST_SQLSERVER") else "")
GIVEN_VENV = os.environ.get("VENV", "")
VENV = Path(GIVEN_VENV).resolve() if GIVEN_VENV else ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis", ".nox", "htmlcov", "build", "dist")


class TaskError(Exception):
    """What went wrong and the remedy, for the last line on the screen."""


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def call(*command: object, quiet: bool = False, env: dict[str, str] | None = None) -> int:
    output = subprocess.DEVNULL if quiet else None
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=ROOT, env=env, stdout=output, stderr=output, check=False).returncode


def apt_install(*packages: str) -> bool:
    """Install Debian packages when we may; False when not root, not Debian, or refused."""
    if not is_root() or shutil.which("apt-get") is None:
        return False
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
    if call(*install, quiet=True, env=env) == 0:
        return True
    # A fresh container has no package lists yet.
    call("apt-get", "update", "-q", quiet=True, env=env)
    return call(*install, env=env) == 0


# --- environment -----------------------------------------------------------------------------------------------------


def version_of(python: str) -> tuple[int, ...]:
    """(3, 11), or () when that name does not start a Python."""
    probe = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        done = subprocess.run([python, "-c", probe], capture_output=True, text=True, check=False, timeout=30)
    except OSError:
        return ()
    return tuple(int(part) for part in done.stdout.split()) if done.returncode == 0 else ()


def find_python() -> str:
    names = [os.environ.get("PYTHON", ""), sys.executable, "python3.11", "python3.12", "python3.13", "python3"]
    for name in filter(None, names):
        if OLDEST <= version_of(name) <= NEWEST:
            return name
    raise TaskError(
        "No Python 3.11 to 3.13 found. Debian/Ubuntu: apt-get install python3 python3-venv; or name one: make demo PYTHON=/path/python"
    )


def create_venv(folder: Path) -> None:
    python = find_python()
    say(f"creating {folder.name} with {python} ({'.'.join(map(str, version_of(python)))})")
    if call(python, "-m", "venv", "--clear", folder, quiet=True) == 0:
        return
    # Debian splits ensurepip off into python3-venv.
    major, minor = version_of(python)
    if apt_install(f"python{major}.{minor}-venv") and call(python, "-m", "venv", "--clear", folder) == 0:
        return
    inside = folder / "bin" / "python"
    if (
        call(python, "-m", "venv", "--clear", "--without-pip", folder) == 0
        and call(python, "-m", "pip", "--python", inside, "install", "pip") == 0
    ):
        return
    raise TaskError(f"{python} cannot make an environment with pip. As root: apt-get install python{major}.{minor}-venv")


def fingerprint(*parts: str) -> str:
    files = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*files, *(part.encode() for part in parts)])).hexdigest()


def ensure_packages() -> None:
    if GIVEN_VENV:
        return
    stamp, wanted = VENV / ".cbm-stamp", fingerprint(EXTRAS, str(ROOT))
    if stamp.is_file() and stamp.read_text() == wanted and version_of(str(BIN / "python")):
        return
    if not version_of(str(BIN / "python")):
        create_venv(VENV)
    say("installing packages (about 140, one to three minutes the first time)")
    started = time.monotonic()
    pip = (BIN / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--retries", "5")
    if call(*pip, "-c", "constraints.txt", "-e", f".[{EXTRAS}]") != 0:
        raise TaskError("pip could not install the packages; its message is above. Is the package index reachable?")
    stamp.write_text(wanted)
    say(f"packages installed in {time.monotonic() - started:.0f} s")


HAS_DRIVER = "from cbm_etl_assets.source.driver import find_driver, load_odbc_manager as m; m(); print(find_driver('psqlodbc'))"
GET_DRIVER = "from cbm_etl_assets.source.driver import install_driver_unprivileged as i; print(i())"


def ensure_odbc() -> None:
    """The driver manager and psqlODBC, which the twin is read with. A real OpenEdge needs Progress' own driver."""
    python = BIN / "python"
    if call(python, "-c", HAS_DRIVER, quiet=True) == 0:
        return
    say("installing the ODBC driver (unixODBC + psqlODBC)")
    if apt_install("libodbc2", "odbc-postgresql") and call(python, "-c", HAS_DRIVER, quiet=True) == 0:
        return
    if call(python, "-c", GET_DRIVER) != 0:
        raise TaskError("No ODBC driver for PostgreSQL. As root: apt-get install libodbc2 odbc-postgresql")


def ensure_browser() -> None:
    if any(shutil.which(name) for name in BROWSERS):
        return
    say("installing Chromium for the browser tests")
    if not apt_install("chromium"):
        say("no Chromium: the browser tests will be skipped. As root: apt-get install chromium")


def ensure_prometheus() -> None:
    """promtool and prometheus, for the tests of the metrics."""
    if shutil.which("promtool") and shutil.which("prometheus"):
        return
    say("installing Prometheus for the tests of the metrics")
    if not apt_install("prometheus"):
        say("no Prometheus: its tests will be skipped. As root: apt-get install prometheus")


def ensure_tsql() -> None:
    """Microsoft's T-SQL parser, apart: its packages' pins contradict everybody else's, and it is not ours to ship."""
    folder, requirements = ROOT / ".venv-tsql", ROOT / "cbm_etl_assets_tests" / "tsql" / "requirements.txt"
    stamp, wanted = folder / ".cbm-stamp", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    create_venv(folder)
    say("installing Microsoft's T-SQL parser for the tests (about 60 MB)")
    pip = (folder / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps")
    if call(*pip, "-r", requirements) != 0:
        say("no T-SQL parser: its tests will be skipped; pip's message is above")
        return
    stamp.write_text(wanted)


def prepared_env() -> dict[str, str]:
    """The child's environment: our bin first, no foreign environment or PYTHONPATH."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    return {**env, "VIRTUAL_ENV": str(VENV), "PATH": f"{BIN}{os.pathsep}{env.get('PATH', '')}"}


def task_env(_: list[str]) -> int:
    ensure_packages()
    ensure_odbc()
    return 0


# --- what people ask for ---------------------------------------------------------------------------------------------


def task_demo(arguments: list[str]) -> int:
    task_env([])
    return call(BIN / "cbm-etl", "demo", *arguments, env=prepared_env())


def task_ui(arguments: list[str]) -> int:
    task_env([])
    return call(BIN / "cbm-etl", "ui", *arguments, env=prepared_env())


def static_checks() -> dict[str, tuple[object, ...]]:
    return {
        "ruff check": (BIN / "ruff", "check", "."),
        "ruff format": (BIN / "ruff", "format", "--check", "."),
        "mypy": (BIN / "mypy", "--strict"),
        "import contracts": (BIN / "lint-imports", "--no-logo"),
    }


def run_checks(checks: dict[str, tuple[object, ...]], env: dict[str, str]) -> list[str]:
    """Runs all of them, so that one round shows everything. Returns the names of those that failed."""
    failed = []
    for name, command in checks.items():
        started = time.monotonic()
        code = call(*command, env=env)
        say(f"{name}: {'ok' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - started:.0f} s")
        failed += [name] if code else []
    return failed


def task_lint(_: list[str]) -> int:
    ensure_packages()
    return 1 if run_checks(static_checks(), prepared_env()) else 0


def task_test(arguments: list[str]) -> int:
    """Everything a change must pass. Arguments go to pytest; with arguments neither coverage nor the static checks run."""
    task_env([])
    ensure_browser()
    ensure_tsql()
    ensure_prometheus()
    env = prepared_env()
    if arguments:
        return call(BIN / "python", "-m", "pytest", *arguments, env=env)
    with tempfile.TemporaryDirectory(prefix="cbm-validate-") as home:
        checks = {**static_checks(), "dagster definitions": (BIN / "dagster", "definitions", "validate")}
        failed = run_checks(checks, {**env, "CBM_HOME": home, "DAGSTER_HOME": home})
    # loadfile: module fixtures start servers, so one file stays in one worker.
    code = call(
        BIN / "python", "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "--durations=25", "--cov", "--cov-report=term", env=env
    )
    if failed:
        print(f"failed before the tests: {', '.join(failed)}", file=sys.stderr)
    return code or (1 if failed else 0)


def task_bench(arguments: list[str]) -> int:
    task_env([])
    peers = ROOT / ".venv-bench"
    requirements = ROOT / "bench" / "requirements.txt"
    stamp, wanted = peers / ".cbm-stamp", hashlib.sha256(requirements.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        create_venv(peers)
        say("installing the peers (dlt, connectorx, pandas)")
        if call(peers / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", requirements) != 0:
            raise TaskError("pip could not install the peers of the benchmark; its message is above.")
        stamp.write_text(wanted)
    if shutil.which("gcc") is None and not apt_install("gcc", "libc6-dev"):
        raise TaskError("The ODBC floor is a C program: install gcc and libc6-dev.")
    return call(BIN / "python", "-m", "bench.run", "--peer-python", peers / "bin" / "python", *arguments, env=prepared_env())


def task_clean(arguments: list[str]) -> int:
    """Caches and build products; with --all also the environments and the demo's state (.cbm)."""
    wanted = [ROOT / name for name in CACHES] + sorted(ROOT.glob(".coverage*"))
    wanted += [path for package in ("cbm_etl_assets", "cbm_etl_assets_tests", "bench") for path in (ROOT / package).rglob("__pycache__")]
    if "--all" in arguments:
        if (BIN / "cbm-etl").exists():
            call(BIN / "cbm-etl", "twin", "stop", quiet=True, env=prepared_env())
        wanted += [ROOT / ".venv", ROOT / ".venv-bench", ROOT / ".venv-tsql", ROOT / ".cbm"]
    for path in wanted:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
    return 0


TASKS = {
    "env": task_env, "demo": task_demo, "test": task_test, "lint": task_lint, "bench": task_bench, "ui": task_ui, "clean": task_clean,
}  # fmt: skip


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] not in TASKS:
        print(f"usage: python .ci/tasks.py {{{','.join(TASKS)}}} [arguments]", file=sys.stderr)
        return 2
    try:
        return TASKS[arguments[0]](arguments[1:])
    except TaskError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
