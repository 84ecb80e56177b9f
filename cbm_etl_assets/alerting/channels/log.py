"""The log file: one record an alert, for those who read logs or collect them. Always delivers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from cbm_etl_assets.alerting.events import Severity
from cbm_etl_assets.alerting.http import Answer, Fate, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View

GROUPS = True
_LEVELS = {
    Severity.INFO: logging.INFO, Severity.WARNING: logging.WARNING, Severity.ERROR: logging.ERROR, Severity.CRITICAL: logging.CRITICAL,
}  # fmt: skip
logger = logging.getLogger(__name__)


def send(route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
    for view in views:
        level = logging.INFO if view.is_good else _LEVELS[view.severity]
        logger.log(level, "%s", view.line, extra={"alert_key": view.key, "alert_event": view.event, "alert_route": route.name})
    return Answer(Fate.SENT)
