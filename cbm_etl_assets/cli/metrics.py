"""`metrics`: the Prometheus endpoint, the textfile, and the rules and the dashboard that go with them."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Annotated

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of

app = typer.Typer(no_args_is_help=True, help="Metrics for Prometheus and Grafana, computed from the run log.")
SHIPPED = ("prometheus/cbm_rules.yml", "grafana/cbm_etl.json")
TEXTFILE = "metrics.prom"


@app.command()
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="Address to listen on; no login: keep it on loopback or in a closed network.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 = any free one.")] = 9464,
) -> None:
    """Serve /metrics until stopped; every scrape reads the run log."""
    from cbm_etl_assets.observability import metrics
    from cbm_etl_assets.pipeline.metrics import reader

    runtime = runtime_of(context)
    # Not opened here: while the control database is out of reach a scrape says so, and the endpoint stays up.
    endpoint = metrics.serve(reader(runtime.platform.control, runtime.catalog, runtime.settings, runtime.now), host, port)
    runtime.closers.append(endpoint.close)
    runtime.output().note(f"http://{host}:{endpoint.port}/metrics (Ctrl-C ends it)")
    threading.Event().wait()  # ended by a signal, which unwinds to the closers


@app.command()
def write(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Default CBM_OBSERVABILITY__METRICS_FILE.")] = None,
    as_json: Json = False,
) -> None:
    """Write the metrics to a file, for node_exporter's textfile collector.

    JSON: file, bytes
    """
    from cbm_etl_assets.observability import metrics
    from cbm_etl_assets.pipeline.metrics import collect

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    path = (file or runtime.settings.observability.metrics_file or runtime.settings.home / TEXTFILE).absolute()
    control = runtime.platform.control
    control.upgrade()
    control.reap_runs()
    size = metrics.write(path, collect(control, runtime.catalog, runtime.settings, runtime.now()))
    output.result({"file": path, "bytes": size}, f"{path}: {size} bytes")


@app.command()
def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Written there; existing files of these names are replaced.")],
    as_json: Json = False,
) -> None:
    """Write Prometheus' recording and alert rules and the Grafana dashboard.

    JSON: files[]
    """
    from cbm_etl_assets.settings import PACKAGE_DIR

    output = runtime_of(context).output(machine=as_json)
    folder.mkdir(parents=True, exist_ok=True)
    files = [Path(shutil.copyfile(PACKAGE_DIR / "observability" / name, folder / Path(name).name)) for name in SHIPPED]
    output.result({"files": files}, *map(str, files))
