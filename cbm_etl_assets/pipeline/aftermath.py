"""After runs: their spans to the collector, the metrics to their file, where either is configured.

Owns the promise that no run fails, and none waits longer than the export's few seconds, whatever a collector or a disk does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from cbm_etl_assets.control.port import Control
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.reliability.redact import redact
from cbm_etl_assets.settings import Settings

_log = logging.getLogger(__name__)


def is_wanted(settings: Settings) -> bool:
    return bool(settings.observability.otlp_endpoint or settings.observability.metrics_file)


def publish(control: Control, catalog: Mapping[str, TableSpec], settings: Settings, run_ids: Iterable[str]) -> list[str]:
    """Returns what could not be published, in words, also logged; empty when all was, or nothing is configured."""
    said: list[str] = []
    runs = list(dict.fromkeys(filter(None, run_ids)))
    for work in (_export, _write):
        try:
            said += work(control, catalog, settings, runs)
        except CbmError as error:
            said.append(redact(error.message, settings.secrets()))
        except OSError as error:
            said.append(f"{settings.observability.metrics_file}: {error.strerror}")
    for text in said:
        _log.warning("after the run: %s", text)
    return said


def _export(control: Control, _catalog: Mapping[str, TableSpec], settings: Settings, run_ids: list[str]) -> list[str]:
    wanted = settings.observability
    if not wanted.otlp_endpoint or not run_ids:
        return []
    from cbm_etl_assets.observability.otlp import Collector, send
    from cbm_etl_assets.pipeline.traces import spans_of

    headers = {name: value.get_secret_value() for name, value in wanted.otlp_headers.items()}
    spans = [span for run_id in run_ids for span in spans_of(control, run_id)]
    why = send(spans, Collector(wanted.otlp_endpoint, headers, settings.env.value)) if spans else ""
    return [f"{len(run_ids)} runs were not exported to the OTLP collector: {why}"] if why else []


def _write(control: Control, catalog: Mapping[str, TableSpec], settings: Settings, _run_ids: list[str]) -> list[str]:
    path = settings.observability.metrics_file
    if path is None:
        return []
    from cbm_etl_assets.observability.metrics import write
    from cbm_etl_assets.pipeline.metrics import collect
    from cbm_etl_assets.pipeline.platform import utc_now

    write(path, collect(control, catalog, settings, utc_now()))
    return []
