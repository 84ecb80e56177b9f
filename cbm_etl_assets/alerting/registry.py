"""Channels by name. A channel is one module in `alerting.channels` with `GROUPS` and `send(route, views, look, http) -> Answer`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Protocol, cast

from cbm_etl_assets.alerting.http import Answer, Http
from cbm_etl_assets.alerting.routes import Route
from cbm_etl_assets.alerting.view import Look, View
from cbm_etl_assets.errors import ConfigurationError

_CHANNELS = {name: f"cbm_etl_assets.alerting.channels.{name}" for name in ("teams", "email", "webhook", "slack", "pagerduty", "log")}


class Channel(Protocol):
    GROUPS: bool  # may many alerts go out as one message?

    def send(self, route: Route, views: Sequence[View], look: Look, http: Http) -> Answer:
        """Deliver them all, or say why not. Raises nothing that is not a defect of ours."""
        ...


def names() -> tuple[str, ...]:
    return tuple(_CHANNELS)


def channel(name: str) -> Channel:
    """Imported when first used: a load without alerts pays for none. Raises: ConfigurationError naming the known ones."""
    if name not in _CHANNELS:
        raise ConfigurationError(f"Unknown alert channel '{name}'. Known: {', '.join(names())}.")
    return cast(Channel, importlib.import_module(_CHANNELS[name]))
