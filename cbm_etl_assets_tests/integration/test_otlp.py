"""Finished runs at a real OTLP/HTTP receiver: what arrives, and that nothing a collector does slows or fails a run."""

from __future__ import annotations

import datetime as dt
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from cbm_etl_assets.control.port import LogEnd, LogStart
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.observability.otlp import Collector, Span, send, trace_id
from cbm_etl_assets.pipeline.aftermath import publish
from cbm_etl_assets.pipeline.traces import spans_of
from cbm_etl_assets.settings import ObservabilitySettings, Settings
from cbm_etl_assets_tests.specs import make_spec

pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the extra `otel` is not installed")
pytestmark = pytest.mark.integration
RUN = "5b1f0b6e-58c1-4f4e-8d0a-3c2f6f1f9a11"
START = dt.datetime(2026, 11, 21, 8, 0, tzinfo=dt.UTC)
CANARY = "hunter2-canary"


@dataclass
class Receiver:
    """An OTLP/HTTP collector; `plays` is the status it answers, 0 = it never answers."""

    server: ThreadingHTTPServer
    plays: int = 200
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def spans(self) -> list[Any]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [s for request in requests for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not held.plays:
                held.released.wait(30)
                return
            assert self.path == "/v1/traces"
            held.bodies.append(body)
            held.headers.append(dict(self.headers))
            self.send_response(held.plays)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held = Receiver(server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield held
    held.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[ControlStore]:
    store = ControlStore(Settings(home=tmp_path))
    for table, status in (("client", "success"), ("stock", "failed")):
        log = store.start_log(LogStart(RUN, table, "full", "", START))
        end = START + dt.timedelta(seconds=20)
        error = "" if status == "success" else "SourceError"
        store.end_log(log, LogEnd(status, end, 8, 2, 4, 5, {"read": 10}, 1000, error_class=error, error_message=CANARY))
    yield store
    store.close()


def settings(tmp_path: Path, url: str, **more: Any) -> Settings:
    observed = ObservabilitySettings(otlp_endpoint=url, otlp_headers={"authorization": SecretStr(CANARY)}, **more)
    return Settings(home=tmp_path, observability=observed)


def test_a_finished_run_arrives_as_one_trace(receiver: Receiver, control: ControlStore, tmp_path: Path) -> None:
    assert publish(control, {}, settings(tmp_path, receiver.url), [RUN, RUN]) == []
    found = {s.name: s for s in receiver.spans()}
    assert len(receiver.bodies) == 1
    assert set(found) == {"run", *(f"{t}{s}" for t in ("client", "stock") for s in ("", " extract", " transform", " load", " merge"))}
    assert {s.trace_id for s in found.values()} == {hashlib.sha256(RUN.encode()).digest()[:16]}
    assert found["client extract"].parent_span_id == found["client"].span_id
    assert found["client"].parent_span_id == found["run"].span_id
    assert found["client extract"].end_time_unix_nano - found["client extract"].start_time_unix_nano == 8_000_000_000
    assert found["client transform"].start_time_unix_nano == found["client extract"].end_time_unix_nano
    assert found["run"].start_time_unix_nano == int(START.timestamp()) * 10**9
    assert (found["stock"].status.code, found["stock"].status.message) == (2, "SourceError")
    attributes = {a.key: a.value for a in found["client"].attributes}
    assert (attributes["cbm.table"].string_value, attributes["cbm.rows.read"].int_value) == ("client", 10)
    assert receiver.headers[0]["authorization"] == CANARY
    assert CANARY.encode() not in receiver.bodies[0]  # an error's text stays in the journal


def test_ids_are_the_same_whoever_exports() -> None:
    assert trace_id(RUN).to_bytes(16, "big") == hashlib.sha256(RUN.encode()).digest()[:16]


def test_a_run_the_journal_does_not_know_sends_nothing(receiver: Receiver, control: ControlStore, tmp_path: Path) -> None:
    assert spans_of(control, "other") == []
    assert publish(control, {}, settings(tmp_path, receiver.url), ["other"]) == []
    assert receiver.bodies == []


@pytest.mark.parametrize("plays", [400, 500, 503])
def test_a_refusing_collector_is_a_word_not_a_failure(receiver: Receiver, plays: int) -> None:
    receiver.plays = plays
    assert send([Span(RUN, (), 0, 1)], Collector(receiver.url), seconds=1.5) != ""


def test_a_hanging_collector_costs_its_seconds_only(receiver: Receiver) -> None:
    receiver.plays = 0
    begun = time.monotonic()
    assert send([Span(RUN, (), 0, 1)], Collector(receiver.url), seconds=0.5) == "no answer within 0.5 s"
    assert time.monotonic() - begun < 5


def test_nobody_listens(control: ControlStore, tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"  # bound and not listening: refused
        said = send([Span(RUN, (), 0, 1)], Collector(url), seconds=1)
    assert said != ""


def test_the_metrics_file_is_written_and_a_full_disk_is_a_word(control: ControlStore, tmp_path: Path) -> None:
    catalog = {"client": make_spec()}
    path = tmp_path / "textfile" / "metrics.prom"
    observed = Settings(home=tmp_path, observability=ObservabilitySettings(metrics_file=path))
    assert publish(control, catalog, observed, [RUN]) == []
    assert 'cbm_load_last_success{table="client"} 1.0' in path.read_text()
    blocked = Settings(home=tmp_path, observability=ObservabilitySettings(metrics_file=path / "below" / "a-file"))
    assert publish(control, catalog, blocked, [RUN]) == [f"{path}/below/a-file: Not a directory"]
