"""Finished runs as OTLP/HTTP spans, for any OpenTelemetry collector. Needs the extra `otel`.

Owns identifiers, the translation to the SDK's spans and the sending. What a run consists of is `pipeline.traces`. Ids are
computed from the run id, so that a trace is found from a log row, and a run exported twice is one trace.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.errors import MissingDependencyError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

SERVICE = "cbm-etl"
SECONDS = 5.0  # the most a run waits for a collector at its end


@dataclass(frozen=True)
class Span:
    """`path` names it within its run and places it: ('client', 'extract') is a child of ('client',). Instants in seconds since 1970."""

    run_id: str
    path: tuple[str, ...]
    start: float
    end: float
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Collector:
    """`endpoint` with or without the path /v1/traces."""

    endpoint: str
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: str = ""

    @property
    def url(self) -> str:
        return self.endpoint if self.endpoint.rstrip("/").endswith("/v1/traces") else f"{self.endpoint.rstrip('/')}/v1/traces"


def trace_id(run_id: str) -> int:
    """The first 16 bytes of SHA-256 of the run id."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:16], "big")


def span_id(run_id: str, path: Sequence[str]) -> int:
    return int.from_bytes(hashlib.sha256("\0".join((run_id, *path)).encode()).digest()[:8], "big")


def send(spans: Sequence[Span], collector: Collector, seconds: float = SECONDS) -> str:
    """Send in a thread of its own, within `seconds`. Returns why it did not arrive, empty when it did. Raises: MissingDependencyError."""
    try:
        import opentelemetry.exporter.otlp.proto.http.trace_exporter  # noqa: F401
    except ImportError:
        raise MissingDependencyError(
            "CBM_OBSERVABILITY__OTLP_ENDPOINT is set and OpenTelemetry is not installed.", remedy="pip install cbm-etl-assets[otel]"
        ) from None
    outcome: list[str] = []
    worker = threading.Thread(target=lambda: outcome.append(_send(spans, collector, seconds)), name="otlp", daemon=True)
    worker.start()
    worker.join(seconds)
    return outcome[0] if outcome else f"no answer within {seconds:g} s"


def _send(spans: Sequence[Span], collector: Collector, seconds: float) -> str:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())  # its complaints would go to the terminal
    resource = Resource.create({"service.name": SERVICE, "deployment.environment": collector.environment})
    exporter: SpanExporter = OTLPSpanExporter(endpoint=collector.url, headers=dict(collector.headers), timeout=seconds)
    try:
        sent = exporter.export([_readable(span, resource) for span in spans])
    finally:
        exporter.shutdown()
    return "" if sent is SpanExportResult.SUCCESS else "the collector refused it or was out of reach"


def _readable(span: Span, resource: Any) -> ReadableSpan:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

    def context(path: tuple[str, ...]) -> SpanContext:
        return SpanContext(trace_id(span.run_id), span_id(span.run_id, path), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return ReadableSpan(
        name=" ".join(span.path) or "run", context=context(span.path), parent=context(span.path[:-1]) if span.path else None,
        resource=resource, attributes=dict(span.attributes), start_time=int(span.start * 1e9), end_time=int(span.end * 1e9),
        status=Status(StatusCode.ERROR, span.error) if span.error else Status(StatusCode.OK),
    )  # fmt: skip
