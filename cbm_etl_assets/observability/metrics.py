"""Metrics in Prometheus' terms: families of samples, the text of them, the endpoint that serves them.

Owns the form and the server. What is measured is `pipeline.metrics`; a scrape computes it from the journal, so a restart loses
nothing and no push gateway is needed. prometheus_client costs 0.3 s at import: only where metrics are asked for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cbm_etl_assets.errors import CbmError, ConfigurationError
from cbm_etl_assets.reliability.redact import redact

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

_log = logging.getLogger(__name__)
PREFIX = "cbm_"
DEFAULT_PORT = 9464


@dataclass
class Family:
    """A gauge and its samples. Gauges only: the journal is pruned, and a counter that shrinks looks like a restart to rate()."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    samples: list[tuple[tuple[str, ...], float]] = field(default_factory=list)

    def add(self, value: float, *labels: str) -> None:
        self.samples.append((labels, value))


Read = Callable[[], Sequence[Family]]


class JournalCollector:
    """Asked at every scrape. When the journal cannot be read the scrape still answers, with cbm_control_database_up 0."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._guard = threading.Lock()

    def collect(self) -> Iterator[Metric]:
        with self._guard:  # two Prometheus servers at once need no two evaluations
            yield from map(_metric, self._families())

    def _families(self) -> list[Family]:
        up = Family("control_database_up", "1 when the control database answered this scrape")
        try:
            found = list(self._read())
        except CbmError as error:
            _log.warning("metrics: the control database did not answer: %s", redact(error.message))
            up.add(0)
            return [up]
        up.add(1)
        return [up, *found]


def _metric(family: Family) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    metric = GaugeMetricFamily(PREFIX + family.name, family.help, labels=list(family.labels))
    for labels, value in family.samples:
        metric.add_metric(list(labels), value)
    return metric


def registry(read: Read) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    found = CollectorRegistry(auto_describe=False)
    found.register(JournalCollector(read))
    return found


def text(families: Iterable[Family]) -> bytes:
    """The exposition format, as the endpoint and the textfile collector take it."""
    from prometheus_client import generate_latest

    held = list(families)
    return generate_latest(registry(lambda: held))


def write(path: Path, families: Iterable[Family]) -> int:
    """Replace the file in one step: the textfile collector never reads half of it. Returns bytes. Raises: OSError."""
    content = text(families)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
    return len(content)


@dataclass(frozen=True)
class Endpoint:
    """A running endpoint; `close` ends it."""

    port: int
    server: Any
    thread: threading.Thread

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=5)


def serve(read: Read, host: str, port: int) -> Endpoint:
    """Serve /metrics from a thread; port 0 = any free one. Raises: ConfigurationError when the port is taken."""
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host, registry(read))
    except OSError as error:
        raise ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror}", remedy="choose another --port") from None
    return Endpoint(server.server_port, server, thread)


def described(families: Iterable[Family]) -> Mapping[str, str]:
    """Full name -> help, for the documents and their test."""
    return {PREFIX + family.name: family.help for family in families}
