"""`ui`: Dagster's webserver and daemon on this machine, with DAGSTER_HOME under CBM_HOME, and the dashboards beside them.

Owns the child process and its end. `dagster dev` shares one code server between both; in production they are separate
services (docs/operations.md).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import BusyError, ConfigurationError

HOST = "127.0.0.1"  # the webserver has no login: it listens on loopback only
START_SECONDS = 120.0  # a code server of 500 tables is up in 10 s on an idle machine
STOP_SECONDS = 20.0


def choose_port(wanted: int) -> int:
    """`wanted`, or a free one for 0. Raises: BusyError when somebody listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError:
            raise BusyError(f"Port {wanted} is taken.", remedy="cbm-etl ui --port 0 takes a free one") from None
        return int(probe.getsockname()[1])


def command(port: int) -> list[str]:
    return [sys.executable, "-m", "dagster", "dev", "-m", "cbm_etl_assets.definitions", "-h", HOST, "-p", str(port)]


def child_environment(runtime: Runtime, home: Path) -> dict[str, str]:
    """What the code servers and runs read. The twin's connection strings go this way, never over a command line."""
    from cbm_etl_assets.settings import inherited_environment

    settings = runtime.settings
    child = inherited_environment() | {
        "DAGSTER_HOME": str(home),
        "CBM_HOME": str(settings.home),
        "CBM_TABLES_DIR": str(settings.tables_dir),
    }
    if settings.source.connection_string is not None:
        child["CBM_SOURCE__CONNECTION_STRING"] = settings.source.connection_string.get_secret_value()
    if settings.warehouse.connection_string is not None:
        child |= {
            "CBM_WAREHOUSE__KIND": settings.warehouse.kind,
            "CBM_WAREHOUSE__CONNECTION_STRING": settings.warehouse.connection_string.get_secret_value(),
        }
    return child


def wait_until_up(url: str, child: subprocess.Popen[bytes], seconds: float = START_SECONDS) -> None:
    """Raises: ConfigurationError when the child ends or does not answer."""
    import urllib.error  # 45 ms, of the 400 that `cbm-etl --help` may take
    import urllib.request

    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            raise ConfigurationError(f"Dagster ended with code {child.returncode} before it answered.", remedy="read its messages above")
        try:
            with urllib.request.urlopen(f"{url}/server_info", timeout=2):  # noqa: S310 - our own loopback address
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
    raise ConfigurationError(f"Dagster did not answer on {url} within {seconds:.0f} s.")


def stop(child: subprocess.Popen[bytes]) -> None:
    """An orderly end, then a certain one: no process is left."""
    if child.poll() is None:
        child.send_signal(signal.SIGINT)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(STOP_SECONDS)
    try:
        os.killpg(child.pid, signal.SIGKILL)  # its own group (start_new_session): what it left behind, nothing else
    except (ProcessLookupError, PermissionError):
        return  # nobody is left


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one, for the dashboards too.")] = 3000,
    dashboard_port: Annotated[int, typer.Option(min=0, max=65535, help="Of the dashboards; 0 = a free one.")] = 3010,
) -> None:
    """Open Dagster's UI (webserver and daemon) and the dashboards, until Ctrl-C."""
    from cbm_etl_assets.cli.dashboard import serve_beside
    from cbm_etl_assets.orchestration.home import prepare_home

    runtime = runtime_of(context)
    chosen = choose_port(port)
    pages = choose_port(dashboard_port if port else 0)
    home = prepare_home(runtime.settings)
    runtime.stop_seconds = 3 * STOP_SECONDS
    child = subprocess.Popen(command(chosen), env=child_environment(runtime, home), start_new_session=True)
    runtime.closers.append(lambda: stop(child))
    url = f"http://{HOST}:{chosen}"
    wait_until_up(url, child)
    runtime.closers.append(serve_beside(runtime.settings, HOST, pages, url))
    runtime.output().note(f"UI: {url}  (DAGSTER_HOME {home}; Ctrl-C ends it)")
    runtime.output().note(f"Dashboards: http://{HOST}:{pages}")
    raise typer.Exit(1 if child.wait() else 0)


def register(app: typer.Typer) -> None:
    app.command()(ui)
