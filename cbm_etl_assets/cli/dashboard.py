"""`dashboard` and `report`: the three pages, served or as one file. The pages themselves are `dashboards`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of, utc_now
from cbm_etl_assets.cli.ui import HOST, STOP_SECONDS, choose_port

if TYPE_CHECKING:
    import uvicorn

    from cbm_etl_assets.dashboards.journal import Journal
    from cbm_etl_assets.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Language(StrEnum):
    EN = "en"
    FR = "fr"


Days = Annotated[int, typer.Option("--days", min=1, max=90, help="Period: 1, 7, 30 or 90 days.")]


def journal(settings: Settings) -> Journal:
    """The journal of one environment's control database."""
    from cbm_etl_assets.control.store import ControlStore
    from cbm_etl_assets.dashboards.journal import Journal

    return Journal(ControlStore(settings), lambda: utc_now().replace(tzinfo=None))


def journals(settings: Settings) -> dict[str, Journal]:
    """This environment first, then those of CBM_DASHBOARD__ENVIRONMENTS."""
    found = {str(settings.env): journal(settings)}
    for name, url in settings.dashboard.environments.items():
        other = settings.model_copy(update={"control": settings.control.model_copy(update={"url": url, "auto_upgrade": False})})
        found[name] = journal(other)
    return found


def web_server(settings: Settings, host: str, port: int, dagster_url: str = "") -> uvicorn.Server:
    """Ready to `run()`; the first page is not the slow one: the logs are read now. `dagster_url`: where none is set."""
    import uvicorn

    from cbm_etl_assets.dashboards.server import Site, create_app

    every = journals(settings)
    next(iter(every.values())).snapshot()
    hosts = (*LOOPBACK, *settings.dashboard.allowed_hosts)
    site = Site(every, settings.dashboard.language or settings.alerts.language, settings.alerts.dagster_url or dagster_url, hosts)
    return uvicorn.Server(uvicorn.Config(create_app(site), host=host, port=port, log_level="warning", server_header=False))


def serve_beside(settings: Settings, host: str, port: int, dagster_url: str) -> Callable[[], None]:
    """Serve from a thread of this process, answering when this returns. Returns what ends it."""
    server = web_server(settings, host, port, dagster_url)
    thread = threading.Thread(target=server.run, name="dashboards", daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(0.02)

    def end() -> None:
        server.should_exit = True
        thread.join(STOP_SECONDS)

    return end


def dashboard(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one.")] = 3010,
    host: Annotated[str, typer.Option(help="Address to listen on. There is no login: put a proxy before any but loopback.")] = HOST,
) -> None:
    """Serve the dashboards until Ctrl-C.

    Operations, trends, data quality; they read the control database only.
    """
    runtime = runtime_of(context)
    chosen = choose_port(port)
    server = web_server(runtime.settings, host, chosen)
    runtime.output().note(f"Dashboards: http://{host}:{chosen}  (Ctrl-C ends them)")
    server.run()


def report(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="Default: a new file in CBM_HOME/reports.")] = None,
    table: Annotated[str, typer.Option("--table", help="One table instead of all.")] = "",
    days: Days = 7,
    language: Annotated[Language | None, typer.Option("--lang", help="Default: CBM_DASHBOARD__LANGUAGE.")] = None,
    as_json: Json = False,
) -> None:
    """Write the dashboards as one HTML file that needs no network.

    JSON: report, bytes
    """
    from cbm_etl_assets.dashboards.report import ReportOptions, write_report

    runtime = runtime_of(context)
    settings = runtime.settings
    name = runtime.table(table).name if table else ""
    target = output or settings.home / "reports" / f"dashboard-{utc_now():%Y%m%dT%H%M%S}.html"
    tongue = language.value if language else settings.dashboard.language or settings.alerts.language
    options = ReportOptions(name, days, tongue, str(settings.env), settings.alerts.dagster_url)
    written = write_report(journal(settings), target, options)
    runtime.output(machine=as_json).result({"report": str(target), "bytes": written}, f"Report: {target} ({written / 1e6:.1f} MB)")


def register(app: typer.Typer) -> None:
    app.command()(dashboard)
    app.command()(report)
