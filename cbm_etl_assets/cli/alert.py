"""`alert test|list|ack|silence`: try a way out, see what is open and what waits, say that somebody is on it, be quiet for a while.

Owns the form. What is worth a message is `alerting.policy`, what holds is read by `pipeline.watch`. Needs neither source nor warehouse.
"""

from __future__ import annotations

import datetime as dt
import getpass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cbm_etl_assets.cli.load import Json
from cbm_etl_assets.cli.runtime import Runtime, runtime_of
from cbm_etl_assets.errors import ConfigurationError

if TYPE_CHECKING:
    from cbm_etl_assets.alerting.http import Answer
    from cbm_etl_assets.alerting.routes import Route
    from cbm_etl_assets.control.alert_port import AlertMessage, AlertRow, RouteState, Silence
    from cbm_etl_assets.pipeline.watch import Watchman

app = typer.Typer(no_args_is_help=True, help="Alerts: test a channel, list, acknowledge, silence.")
COLUMNS = ("key", "severity", "state", "since (UTC)", "last message (UTC)", "acknowledged by", "what")
OUTBOX = ("id", "route", "alert", "event", "state", "attempts", "due (UTC)", "last error")
ROUTES = ("route", "channel", "severities", "failures", "rests until (UTC)", "last sent (UTC)", "last error")


def _watchman(runtime: Runtime) -> Watchman:
    from cbm_etl_assets.pipeline.watch import Watchman

    return Watchman(runtime.platform.control, runtime.catalog, runtime.settings, runtime.now)


def _stamp(moment: dt.datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "-"


# --- test --------------------------------------------------------------------------------------------------------------


@app.command("test")
def send_test(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CHANNEL", help="A route or a channel, e.g. teams; all = every route.")],
    as_json: Json = False,
) -> None:
    """Send a test message now, past outbox, silence and quiet hours.

    JSON: command, ok, routes[route, channel, result, detail]
    """
    from cbm_etl_assets.cli.output import table

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    answers = [(route, _try(runtime, route)) for route in _chosen(runtime, name)]
    rows = [(route.name, route.channel, answer.fate.value, answer.detail) for route, answer in answers]
    is_good = all(row[2] == "sent" for row in rows)
    document = [dict(zip(("route", "channel", "result", "detail"), row, strict=True)) for row in rows]
    output.result({"command": "alert test", "ok": is_good, "routes": document}, table("", ("route", "channel", "result", "detail"), rows))
    raise typer.Exit(0 if is_good else 1)


def _chosen(runtime: Runtime, name: str) -> list[Route]:
    from cbm_etl_assets.alerting.routes import routes_of

    routes = routes_of(runtime.settings.alerts)
    found = [route for route in routes if name in ("all", route.name, route.channel)]
    if not found:
        known = ", ".join(route.name for route in routes) or "none"
        raise ConfigurationError(
            f"No alert route is called '{name}'. Known: {known}.", remedy="set CBM_ALERTS__TEAMS_URL or another one of README.md, Settings"
        )
    return found


def _try(runtime: Runtime, route: Route) -> Answer:
    from cbm_etl_assets.alerting import registry
    from cbm_etl_assets.alerting.events import Event, Facts, Kind, Notice, Severity
    from cbm_etl_assets.alerting.http import Http
    from cbm_etl_assets.alerting.view import views
    from cbm_etl_assets.pipeline.watch import look_of

    now = runtime.now().astimezone(dt.UTC).replace(tzinfo=None)
    notice = Notice(Event.TEST, "test", Kind.TEST, Severity.INFO, "", now, now, Facts(detail=f"cbm-etl alert test {route.name}"))
    look = look_of(runtime.settings)
    return registry.channel(route.channel).send(route, views([notice], look), look, Http())


# --- list --------------------------------------------------------------------------------------------------------------


@app.command("list")
def list_alerts(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Closed alerts too.")] = False,
    as_json: Json = False,
) -> None:
    """List open alerts, waiting messages and the state of every route.

    JSON: command, alerts[key, kind, severity, table, state, since, closed, notified, notifications, acknowledged_by, detail],
    outbox[id, route, alert, event, state, attempts, due, last_error], routes[route, channel, ...], silences[pattern, until, ...]
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    watchman = _watchman(runtime)
    watchman.watch()
    alerts = watchman.control.alerts()
    board, unsent, states = alerts.board(), alerts.unsent(), alerts.routes()
    rows = [row for row in board.rows.values() if everything or row.state == "open"]
    document = {
        "command": "alert list", "alerts": [alert_document(row) for row in rows], "outbox": [_message_document(m) for m in unsent],
        "routes": [_route_document(r, states.get(r.name)) for r in _routes(runtime)], "silences": [vars(s) for s in board.silences],
    }  # fmt: skip
    output.result(document, *_shown(rows, unsent, document["routes"], board.silences))


def _routes(runtime: Runtime) -> tuple[Route, ...]:
    from cbm_etl_assets.alerting.routes import routes_of

    return routes_of(runtime.settings.alerts)


def alert_document(row: AlertRow) -> dict[str, Any]:
    """The stable JSON form of one alert."""
    from cbm_etl_assets.alerting.events import Facts

    return {
        "key": row.alert_key, "kind": row.kind, "severity": row.severity, "table": row.table_name, "state": row.state, "since": row.since,
        "closed": row.closed, "notified": row.notified, "notifications": row.notifications, "acknowledged_by": row.acked_by,
        "detail": Facts.load(row.facts).detail,
    }  # fmt: skip


def _message_document(message: AlertMessage) -> dict[str, Any]:
    return {
        "id": message.id, "route": message.route_name, "alert": message.alert_key, "event": message.event_name, "state": message.state,
        "attempts": message.attempts, "due": message.due, "last_error": message.last_error,
    }  # fmt: skip


def _route_document(route: Route, state: RouteState | None) -> dict[str, Any]:
    return {
        "route": route.name, "channel": route.channel, "severities": sorted(route.severities, key=lambda s: s.rank),
        "failures": state.failures if state else 0, "rest_until": state.rest_until if state else None,
        "sent": state.sent if state else None, "last_error": state.last_error if state else "",
    }  # fmt: skip


def _shown(rows: list[AlertRow], unsent: list[AlertMessage], routes: Any, silences: tuple[Silence, ...]) -> list[Any]:
    from cbm_etl_assets.alerting.events import Facts
    from cbm_etl_assets.cli.output import table

    lines = [
        (r.alert_key, r.severity, r.state, _stamp(r.since), _stamp(r.notified), r.acked_by or "-", Facts.load(r.facts).detail[:100])
        for r in rows
    ]
    shown: list[Any] = [table("", COLUMNS, lines) if rows else "No alert is open."]
    if unsent:
        waiting = [(*list(_message_document(m).values())[:6], _stamp(m.due), m.last_error) for m in unsent]
        shown.append(table("outbox", OUTBOX, waiting, right=("id", "attempts")))
    if routes:
        stamps = [
            (*list(r.values())[:2], ", ".join(r["severities"]), r["failures"], *map(_stamp, (r["rest_until"], r["sent"]))) for r in routes
        ]
        shown.append(table("routes", ROUTES, [(*row, r["last_error"]) for row, r in zip(stamps, routes, strict=True)]))
    else:
        shown.append("No route is configured: nobody is told. Set CBM_ALERTS__TEAMS_URL or another one of README.md, Settings.")
    shown += [f"Silent until {_stamp(s.until)} UTC: {s.pattern} (by {s.created_by})" for s in silences]
    return shown


# --- act ---------------------------------------------------------------------------------------------------------------


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        return "unknown"


@app.command()
def ack(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="As `alert list` shows it, e.g. load:client.")],
    as_json: Json = False,
) -> None:
    """Say that somebody is on it: no more reminders until it closes.

    JSON: command, key, acknowledged_by
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    alerts = runtime.platform.control.alerts()
    by = _who()
    if not alerts.ack(key, by):
        known = ", ".join(row.alert_key for row in alerts.board().rows.values() if row.state == "open") or "none"
        raise ConfigurationError(f"No alert '{key}' is open. Open: {known}.", remedy="cbm-etl alert list")
    output.result({"command": "alert ack", "key": key, "acknowledged_by": by}, f"{key}: acknowledged by {by}.")


@app.command()
def silence(
    context: typer.Context,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A key, or with * for many: 'load:*', '*:client'.")],
    hours: Annotated[float, typer.Option("--hours", min=0, max=24 * 366, help="For how long; 0 = end it.")] = 4,
    as_json: Json = False,
) -> None:
    """Tell nobody about matching alerts for a while.

    They are recorded all the same, and told afterwards if they last.

    JSON: command, pattern, until
    """
    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    alerts = runtime.platform.control.alerts()
    if hours == 0:
        ended = alerts.unsilence(pattern)
        output.result({"command": "alert silence", "pattern": pattern, "until": None}, f"{pattern}: {ended} silences ended.")
        return
    until = (runtime.now() + dt.timedelta(hours=hours)).astimezone(dt.UTC).replace(tzinfo=None)
    alerts.silence(pattern, until, _who())
    output.result({"command": "alert silence", "pattern": pattern, "until": until}, f"{pattern}: silent until {_stamp(until)} UTC.")


@app.command()
def resend(context: typer.Context, name: Annotated[str, typer.Argument(metavar="ROUTE")], as_json: Json = False) -> None:
    """Send what waits on a route, and what it refused.

    For a webhook whose address is right again.

    JSON: command, route, queued, sent, detail
    """
    from cbm_etl_assets.control.alert_port import RouteState

    runtime = runtime_of(context)
    output = runtime.output(machine=as_json)
    route = next((r for r in _chosen(runtime, name) if r.name == name), None)
    if route is None:
        raise ConfigurationError(f"'{name}' is no route. Known: {', '.join(r.name for r in _routes(runtime))}.")
    watchman = _watchman(runtime)
    alerts = watchman.control.alerts()
    queued = alerts.resend(route.name)
    alerts.note_route(RouteState(route.name))
    done = watchman.drain()
    detail = done.kept.get(name, "") or done.refused.get(name, "")
    sent = done.sent.get(name, 0)
    document = {"command": "alert resend", "route": name, "queued": queued, "sent": sent, "detail": detail}
    output.result(document, f"{name}: {sent} messages sent. {detail}".strip())
    raise typer.Exit(1 if detail else 0)
