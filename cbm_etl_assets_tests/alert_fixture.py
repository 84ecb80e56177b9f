"""A journal written by hand, a watchman with a clock of ours, and an HTTP server that answers as it is told."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pydantic import SecretStr

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.watch import Watchman
from cbm_etl_assets.sections import AlertSettings, RouteSettings
from cbm_etl_assets.settings import Settings, SloSettings
from cbm_etl_assets_tests.control_fixture import ControlKit
from cbm_etl_assets_tests.specs import make_spec

CANARY = "s3cr3t-canary"
# One failure of one load is an error rate of 100 %: objectives this low leave the failures alone.
LENIENT = SloSettings(error_rate_alert_percent=100, min_bad_events=1000)
START = dt.datetime(2026, 11, 21, 6, 0, tzinfo=dt.UTC)  # 07:00 in Paris: before the daily summary


def table(name: str, **more: Any) -> TableSpec:
    return make_spec(**({"table": name, "owners": ["ventes@example.fr"]} | more))


def alerts(*urls: str, **more: Any) -> AlertSettings:
    """A Teams route an address, no daily summary unless asked for."""
    routes = tuple(RouteSettings(name=f"teams-{i}", channel="teams", url=SecretStr(url)) for i, url in enumerate(urls, 1))
    return AlertSettings(**({"routes": routes, "summary_hour": -1} | more))


@dataclass
class Journal:
    """One control database and a clock; `watchman()` is what a process would have."""

    settings: Settings
    now: Callable[[], dt.datetime]
    store: ControlStore
    catalog: dict[str, TableSpec]
    forward: Callable[..., dt.datetime]

    def watchman(self, settings: AlertSettings | None = None) -> Watchman:
        chosen = self.settings if settings is None else self.settings.model_copy(update={"alerts": settings})
        return Watchman(self.store, self.catalog, chosen, self.now)

    def load(self, name: str, error: str = "", message: str = "", *, mode: str = "incremental", attempts: int = 1, run: str = "r1") -> int:
        log_id = self.store.start_log(LogStart(run, name, mode, "", self.now()))
        self.forward(seconds=30)
        status = "failed" if error else "success"
        end = LogEnd(status, self.now(), error_class=error, error_message=message, attempts=attempts, rows={"read": 5})
        self.store.end_log(log_id, end)
        return log_id

    def told(self) -> list[tuple[str, str]]:
        """(event, key) of every message ever written, in order."""
        rows = self.store.query("SELECT EventName, AlertKey FROM etl.Alert_Log ORDER BY AlertLogId")
        return [(str(row["EventName"]), str(row["AlertKey"])) for row in rows]

    def outbox(self) -> list[tuple[str, str, int]]:
        rows = self.store.query("SELECT AlertKey, State, Attempts FROM etl.Alert_Log ORDER BY AlertLogId")
        return [(str(row["AlertKey"]), str(row["State"]), int(str(row["Attempts"]))) for row in rows]


@dataclass
class Answer:
    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    hang_seconds: float = 0
    trickle: bool = False  # a header that never ends, byte by byte


@dataclass
class WebhookServer:
    """Plays its script, one answer a request, the last one for ever; keeps every body."""

    script: list[Answer]
    bodies: list[Any] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    released: threading.Event = field(default_factory=threading.Event)
    guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/workflows/abc/triggers/manual/paths/invoke?sig={CANARY}"

    def answer(self) -> Answer:
        with self.guard:
            return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextmanager
def webhook(*script: Answer) -> Iterator[WebhookServer]:
    played = WebhookServer(list(script) or [Answer()])

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with played.guard:
                played.raw.append(body)
                played.bodies.append(json.loads(body))
                played.headers.append(dict(self.headers))
            answer = played.answer()
            if answer.trickle:
                self.wfile.write(b"HTTP/1.1 202 Accepted\r\nX-Slow: ")
                while not played.released.wait(0.05):
                    self.wfile.write(b"x")
                self.close_connection = True
                return
            if answer.hang_seconds:
                played.released.wait(answer.hang_seconds)
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    played.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield played
    finally:
        played.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def journal_on(kit: ControlKit, *tables: TableSpec) -> Journal:
    kit.clock.at = START
    kit.settings = kit.settings.model_copy(update={"slo": LENIENT})
    catalog = {spec.name: spec for spec in tables or (table("client"),)}
    return Journal(kit.settings, kit.clock, kit.store, catalog, kit.clock.forward)
