"""Telling what `health` found through the alert channels: one alert while something fails, one word when it is over.

Only what the journal's own alerts cannot say: that nothing runs (daemon), that nothing can be written (control database), or
that a disk fills up. The rest is told by `pipeline.watch`, which runs beside it here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from cbm_etl_assets.alerting.events import Condition, Facts, Kind, Severity
from cbm_etl_assets.alerting.policy import Seen
from cbm_etl_assets.control.port import Control
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.health import FAIL, Health
from cbm_etl_assets.pipeline.watch import Watchman
from cbm_etl_assets.settings import Settings

OWN = ("daemon", "disk")


def tell(control: Control, catalog: Mapping[str, TableSpec], settings: Settings, now: Callable[[], dt.datetime], found: Health) -> str:
    """Returns what could not be told, empty when nothing is left to say."""
    if not settings.alerts.is_configured:
        return "No alert channel is configured (CBM_ALERTS__*): nothing was sent."
    watchman = Watchman(control, catalog, settings, now)
    since = watchman.naive()
    seen = [
        Condition(f"health:{c.name}", Kind.HEALTH, Severity.CRITICAL, since, facts=Facts(subject=c.name, detail=c.detail))
        for c in found.of(FAIL) if c.name in OWN
    ]  # fmt: skip
    try:
        watchman.watch()
        watchman.tell(Seen(tuple(seen), looked_at=frozenset({Kind.HEALTH})))
        delivered = watchman.drain()
    except CbmError as error:
        return f"The alert could not be sent: {error.message}"
    delivered.wait()
    left = {**delivered.kept, **delivered.refused}
    return f"Alerts wait in the outbox: {', '.join(sorted(left))}." if left else ""
