"""`breaker status|reset`: the circuit breakers of source and warehouse. Asks neither: the control database knows.

Owns the form. When a breaker opens and closes is `pipeline.circuits`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.control.port import Control

app = typer.Typer(no_args_is_help=True, help="Circuit breakers of source and warehouse: look, reset.")
COLUMNS = ("resource", "state", "failures", "open since (UTC)", "next probe (UTC)", "last outage (UTC)")


def entries(control: Control) -> list[dict[str, Any]]:
    """The stable JSON form, one for each resource, also for one that never failed."""
    from cbm_etl_assets.pipeline.circuits import RESOURCES, describe
    from cbm_etl_assets.reliability.breaker import Breaker

    known = control.breakers()
    found = [known.get(resource, Breaker(resource)) for resource in RESOURCES]
    return [
        {
            "resource": one.resource, "state": one.state.value, "failures": one.failures, "opened_at": one.opened_utc,
            "next_probe_at": one.next_probe_utc, "detail": describe(one),
            "error": {"class": one.error_class, "message": one.error_message, "at": one.failed_utc} if one.error_class else None,
        }
        for one in found
    ]  # fmt: skip


def _last(entry: dict[str, Any]) -> str:
    error = entry["error"]
    return f"{error['at']:%Y-%m-%d %H:%M:%S} {error['class']}: {error['message']}" if error and error["at"] else "-"


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show whether loads may ask source and warehouse.

    JSON: command, breakers[resource, state, failures, opened_at, next_probe_at, detail, error{class, message, at}]
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    control = runtime.platform.control
    control.upgrade()
    found = entries(control)
    stamps = [[f"{e[n]:%Y-%m-%d %H:%M:%S}" if e[n] else "-" for n in ("opened_at", "next_probe_at")] for e in found]
    rows = [(e["resource"], e["state"], e["failures"], *at, _last(e)) for e, at in zip(found, stamps, strict=True)]
    output.result({"command": "breaker status", "breakers": found}, table("", COLUMNS, rows, right=("failures",)))


@app.command()
def reset(
    context: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[RESOURCE]...", help="source, warehouse; none = both.")] = None,
    as_json: Json = False,
) -> None:
    """Close breakers now: the next load asks again.

    JSON: command, closed[resource]: those that were open or counting
    """
    from cbm_etl_assets.pipeline.circuits import RESOURCES
    from cbm_etl_assets.reliability.breaker import passed

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    unknown = [name for name in names or () if name not in RESOURCES]
    if unknown:
        raise ConfigurationError(f"Unknown circuit breaker '{unknown[0]}'. Known: {', '.join(RESOURCES)}.")
    control = runtime.platform.control
    control.upgrade()
    known = control.breakers()
    closed = [name for name in dict.fromkeys(names or RESOURCES) if name in known and not known[name].is_clean]
    for name in closed:
        control.change_breaker(name, passed)
    said = f"Closed: {', '.join(closed)}." if closed else "Nothing to close: no outage is counted."
    output.result({"command": "breaker reset", "closed": closed}, said)
