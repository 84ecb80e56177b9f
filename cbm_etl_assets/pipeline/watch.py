"""Look at the journal, decide, deliver: the whole of alerting in two calls that the CLI and the Dagster sensors share.

Owns the composition and its bound in time. Alerts are derived from the journal, not fired from the code of a load: a restart, or
two processes at once, see the same conditions and write each message once.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from cbm_etl_assets.alerting import deliver
from cbm_etl_assets.alerting.events import Announcement, Condition, Event, Facts, Kind, Severity
from cbm_etl_assets.alerting.policy import FIRST_LOOK, Policy, Seen, decide
from cbm_etl_assets.alerting.routes import routes_of
from cbm_etl_assets.alerting.view import Look
from cbm_etl_assets.control.alert_port import AlertBoard, AlertChanges
from cbm_etl_assets.control.port import Control
from cbm_etl_assets.control.store import ControlStore
from cbm_etl_assets.errors import CbmError
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline import conditions as read
from cbm_etl_assets.pipeline.conditions import Desk
from cbm_etl_assets.pipeline.platform import utc_now
from cbm_etl_assets.settings import Settings

logger = logging.getLogger(__name__)
KEEP_SENT = dt.timedelta(days=90)


def look_of(settings: Settings) -> Look:
    return Look(settings.alerts.language, settings.source.timezone, settings.env.value, settings.alerts.dagster_url)


@dataclass(frozen=True)
class Watchman:
    """`now` is aware UTC, as everywhere; what lies below works with naive stamps."""

    control: Control
    catalog: Mapping[str, TableSpec]
    settings: Settings
    now: Callable[[], dt.datetime] = utc_now

    def naive(self) -> dt.datetime:
        return self.now().astimezone(dt.UTC).replace(tzinfo=None)

    def watch(self, *, objectives: bool = True) -> AlertChanges:
        """Compare the journal with the alerts that are open; write what changed, and the messages about it.

        `objectives` False leaves freshness, burn rates and thresholds as they were at the last look: they are the dear part.
        """
        self.control.reap_runs()
        desk = Desk(self.control, self.catalog, self.settings, self.naive())
        found, kinds = read.look(desk, {**read.READERS, **(read.OBJECTIVES if objectives else {})})
        board = self.control.alerts().board()
        summary = self._summary(desk, board, found) if objectives else []
        cursors = {"watch": desk.now.isoformat(), **({"summary": self._day(desk.now)} if summary else {})}
        tables = frozenset(self.catalog)
        return self.tell(Seen(tuple(found), (*self._loads(desk, board), *summary), kinds, cursors, tables))

    def tell(self, seen: Seen) -> AlertChanges:
        """What somebody else has seen: Dagster's own judgement of an asset, a run that never reached our journal."""
        now, policy = self.naive(), self.policy()
        return self.control.alerts().update(lambda board: decide(board, seen, policy, now))

    def drain(self, seconds: float = deliver.DRAIN_SECONDS) -> deliver.Delivered:
        alerts = self.settings.alerts
        tools = deliver.Tools(look_of(self.settings), self.naive, group_above=alerts.group_above)
        return deliver.drain(self.control.alerts(), routes_of(alerts), tools, seconds=seconds)

    def policy(self) -> Policy:
        alerts = self.settings.alerts
        remind = dt.timedelta(hours=alerts.remind_hours)
        return Policy(routes_of(alerts), remind, alerts.quiet, self.settings.source.timezone)

    # -- said once ------------------------------------------------------------------------------------------------------

    def _loads(self, desk: Desk, board: AlertBoard) -> list[Announcement]:
        """Finished loads that somebody wants to hear of; the journal's number of a load makes each heard once."""
        wanted = {what for what in ("success", "retry") if any(desk.notifies(name, what) for name in self.catalog)}
        if not (wanted and self.settings.alerts.is_configured):
            return []
        watched = board.cursors.get("watch", "")
        since = (dt.datetime.fromisoformat(watched) if watched else desk.now) - FIRST_LOOK
        return [one for row in desk.rows("watch_ended", since=since) for one in _announcements(desk, row)]

    def _day(self, now: dt.datetime) -> str:
        return now.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(self.settings.source.timezone)).date().isoformat()

    def _summary(self, desk: Desk, board: AlertBoard, found: Sequence[Condition]) -> list[Announcement]:
        """Once a day, at the hour or as soon after it as somebody looks; also when all is well, so that silence is an alarm."""
        hour, day = self.settings.alerts.summary_hour, self._day(desk.now)
        local = desk.now.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(self.settings.source.timezone))
        if hour < 0 or local.hour < hour or board.cursors.get("summary") == day or not self.settings.alerts.is_configured:
            return []
        self.control.alerts().purge(desk.now - KEEP_SENT)
        return [summary(desk, [c for c in found if c.ended is None], day)]


def _announcements(desk: Desk, row: Mapping[str, object]) -> list[Announcement]:
    table = str(row["TableName"])
    if row["Status"] != "success":
        return []
    numbers = {"rows": float(read.number(row["RowsRead"])), "seconds": float(str(row["DurationSeconds"] or 0))}
    facts = Facts(owners=desk.facts(table).owners, run_id=str(row["RunId"]), numbers=numbers)
    attempts = read.number(row["Attempts"])
    found = []
    if desk.notifies(table, "success"):
        found.append((Event.SUCCESS, facts))
    if attempts > 1 and desk.notifies(table, "retry"):
        found.append((Event.RETRY, Facts(facts.owners, run_id=facts.run_id, numbers={"attempts": float(attempts), **numbers})))
    ended = read.stamp(row["EndedUtc"])
    return [Announcement(f"load:{row['LogId']}:{event}", event, Kind.LOAD, Severity.INFO, ended, table, told) for event, told in found]


def summary(desk: Desk, holding: Sequence[Condition], day: str) -> Announcement:
    loads = desk.rows("watch_ended", since=desk.now - dt.timedelta(hours=24))
    good = [row for row in loads if row["Status"] == "success"]
    written = sum(read.number(row[column]) for row in good for column in ("RowsInserted", "RowsUpdated", "RowsDeleted"))
    quarantined = sum(read.number(row["RowsQuarantined"]) for row in desk.rows("watch_quarantine"))
    stale = sum(condition.kind is Kind.FRESHNESS for condition in holding)
    numbers: dict[str, float] = {
        "loads_good": len(good), "loads_failed": len(loads) - len(good), "tables_loaded": len({row["TableName"] for row in good}),
        "tables": len(desk.catalog), "rows_written": written, "stale": stale, "quarantined": quarantined, "open_alerts": len(holding),
    }  # fmt: skip
    severity = Severity.WARNING if holding else Severity.INFO
    return Announcement(f"summary:{day}", Event.SUMMARY, Kind.SUMMARY, severity, desk.now, facts=Facts(numbers=numbers))


# --- after a run of the command line -----------------------------------------------------------------------------------


@dataclass
class Aftermath:
    """What came of the alerts at the end of a run: a word for the terminal, empty when there is nothing to say."""

    delivered: deliver.Delivered = field(default_factory=deliver.Delivered)
    error: str = ""
    finished: bool = False

    @property
    def note(self) -> str:
        waiting = {**self.delivered.kept, **self.delivered.refused, **dict.fromkeys(self.delivered.unfinished, "no answer yet")}
        parts = [f"{route}: {why}" for route, why in sorted(waiting.items())]
        parts += [self.error] if self.error else [] if self.finished else ["not finished in time"]
        return f"Alerts wait in the outbox ({'; '.join(parts)}); cbm-etl alert list shows them." if parts else ""


def after_run(settings: Settings, catalog: Mapping[str, TableSpec], *, seconds: float = deliver.DRAIN_SECONDS) -> Aftermath | None:
    """Watch and deliver, within `seconds` in all. None: no way out is configured. Fails no load, whatever goes wrong."""
    if not settings.alerts.is_configured:
        return None
    result = Aftermath()
    thread = threading.Thread(target=_watch_and_drain, args=(settings, catalog, seconds * 0.8, result), name="alerts", daemon=True)
    thread.start()
    thread.join(seconds)
    return result


def _watch_and_drain(settings: Settings, catalog: Mapping[str, TableSpec], seconds: float, result: Aftermath) -> None:
    """With a control database of its own: the run's is closed when this thread may still wait for a dead webhook."""
    control = ControlStore(settings)
    try:
        watchman = Watchman(control, catalog, settings)
        watchman.watch()
        result.delivered = watchman.drain(seconds)
        result.delivered.wait()
        result.finished = True
    except CbmError as error:
        result.error = error.message
        logger.warning("Alerts after the run: %s", error.message)
    except Exception as error:  # nothing here may fail a load that is done
        result.error = type(error).__name__
        logger.exception("Alerts after the run failed")
    finally:
        control.close()
