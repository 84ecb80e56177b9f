"""The web server of the pages: routes, headers, one journal an environment. Reads the control database and nothing else.

It has no login: it listens on loopback, and a proxy that authenticates stands before it elsewhere (docs/operations.md).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from cbm_etl_assets.dashboards.figures import PERIODS, Filters
from cbm_etl_assets.dashboards.journal import Journal, Snapshot
from cbm_etl_assets.dashboards.pages import PAGES, build, tables_of
from cbm_etl_assets.dashboards.render import View, asset, failure_html, page_html
from cbm_etl_assets.dashboards.words import LANGUAGES, phrases
from cbm_etl_assets.errors import CbmError

_log = logging.getLogger(__name__)
_SCRIPT = "text/javascript; charset=utf-8"
_STATIC = {"style.css": "text/css; charset=utf-8", "dashboard.js": _SCRIPT, "echarts.min.js": _SCRIPT}
# Styles inline: the chart library places its tooltips with them. Scripts: our own files only, so planted text stays text.
_CSP = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; connect-src 'self'; form-action 'self'"
_HEADERS = {
    "Content-Security-Policy": f"{_CSP}; base-uri 'none'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
}  # fmt: skip


@dataclass(frozen=True)
class Site:
    """`journals`: one an environment, the first is shown when none is asked for. `allowed_hosts`: of the Host header; '*' = any."""

    journals: Mapping[str, Journal]
    language: str = "en"
    dagster_url: str = ""
    allowed_hosts: Sequence[str] = ("127.0.0.1", "localhost", "[::1]")


class Pages:
    """Request -> response. Keeps the last snapshot of every environment for when its database does not answer."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._last: dict[str, Snapshot] = {}
        self._guard = threading.Lock()

    def page(self, request: Request) -> Response:
        language = self._language(request)
        name = request.path_params["page"]
        if name not in PAGES:
            return HTMLResponse(failure_html(language, "not_found", f"/{name}"), 404, _HEADERS)
        environment = self._environment(request)
        try:
            snapshot, stale = self._snapshot(environment)
        except CbmError as error:
            return HTMLResponse(failure_html(language, "error_page", error.message), 503, _HEADERS)
        view = self._view(request, snapshot, environment, language)
        content = build(name, snapshot, view.filters, phrases(language), self._messages(environment, stale))
        return HTMLResponse(page_html(content, replace(view, stale=stale)), headers=_HEADERS)

    def _snapshot(self, environment: str) -> tuple[Snapshot, bool]:
        """The newest, or the last one with True. Raises: ControlError when there was none yet."""
        try:
            snapshot = self._site.journals[environment].snapshot()
        except CbmError as error:
            with self._guard:
                last = self._last.get(environment)
            if last is None:
                raise
            _log.warning("control database of '%s': %s", environment, error.message)
            return last, True
        with self._guard:
            self._last[environment] = snapshot
        return snapshot, False

    def _messages(self, environment: str, stale: bool) -> Callable[[Sequence[int]], Mapping[int, str]]:
        def none(ids: Sequence[int]) -> Mapping[int, str]:
            return {}

        return none if stale else self._site.journals[environment].errors

    def _view(self, request: Request, snapshot: Snapshot, environment: str, language: str) -> View:
        tables = tables_of(snapshot)
        table, days = request.query_params.get("table", ""), request.query_params.get("days", "7")
        filters = Filters(table if table in tables else "", int(days) if days.isdecimal() and int(days) in PERIODS else 7)
        return View(
            snapshot.now, filters, language, environment, tuple(self._site.journals), tables, self._site.dagster_url,
        )  # fmt: skip

    def _language(self, request: Request) -> str:
        asked = request.query_params.get("lang", "")
        return asked if asked in LANGUAGES else self._site.language

    def _environment(self, request: Request) -> str:
        asked = request.query_params.get("env", "")
        return asked if asked in self._site.journals else next(iter(self._site.journals))


def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        return PlainTextResponse("not found", 404)
    # Not for ever: the file names carry no version, and a new release must show.
    headers = {"Cache-Control": "max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(asset(name), media_type=_STATIC[name], headers=headers)


def _home(request: Request) -> Response:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"operations{query}")


def _alive(_: Request) -> Response:
    return PlainTextResponse("ok")


def create_app(site: Site) -> Starlette:
    """Routes: /, /operations, /trends, /quality (?table=&days=&lang=&env=), /static/<file>, /healthz. GET and HEAD only."""
    pages = Pages(site)
    routes = [
        Route("/", _home), Route("/healthz", _alive), Route("/static/{name}", _static), Route("/{page}", pages.page),
    ]  # fmt: skip
    # Without it a page of the open web could read this one through a name that resolves to 127.0.0.1.
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(site.allowed_hosts))])
