"""etl.Alert and the outbox etl.Alert_Log on any control database. Owns the rows, the leases and the turns of two watchers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from cbm_etl_assets.control.alert_port import AlertBoard, AlertChanges, AlertMessage, AlertRow, RouteState, Silence
from cbm_etl_assets.control.database import Database, Row, Session
from cbm_etl_assets.control.sql import statement


class AlertStore:
    """`control.alert_port.Alerts`. Cheap to make; holds nothing of its own."""

    def __init__(self, database: Database, now: Callable[[], dt.datetime]) -> None:
        self._database = database
        self._now = now

    def update(self, decide: Callable[[AlertBoard], AlertChanges]) -> AlertChanges:
        with self._database.transaction() as session:
            session.execute(statement("alert_cursor_lock"))
            board = self._board(session.rows)
            changes = decide(board)
            for row in changes.rows:
                name = "alert_update" if row.alert_key in board.rows else "alert_insert"
                session.execute(statement(name), dict(vars(row)))
            for message in changes.messages:
                _write_message(session, message, self._now())
            for cursor, text in changes.cursors.items():
                session.execute(statement("alert_cursor_write"), {"cursor_name": cursor, "cursor_text": text})
        return changes

    def board(self) -> AlertBoard:
        return self._board(self._database.read)

    def _board(self, read: Callable[..., list[Row]]) -> AlertBoard:
        rows = [_alert(row) for row in read(statement("alert_read"))]
        silences = [_silence(row) for row in read(statement("alert_silence_read"), {"now": self._now()})]
        cursors = {str(row["CursorName"]): str(row["CursorText"]) for row in read(statement("alert_cursor_read"))}
        return AlertBoard({row.alert_key: row for row in rows}, tuple(silences), cursors)

    def claim(self, route: str, owner: str, *, lease_seconds: float) -> list[AlertMessage]:
        now = self._now()
        expires = now + dt.timedelta(seconds=lease_seconds)
        with self._database.transaction() as session:
            session.execute(statement("alert_claim"), {"route_name": route, "owner": owner, "now": now, "expires": expires})
            return [_message(row) for row in session.rows(statement("alert_claimed"), {"owner": owner})]

    def sent(self, ids: Sequence[int]) -> None:
        self._each("alert_sent", ids, {"now": self._now()})

    def refused(self, ids: Sequence[int], error: str) -> None:
        self._each("alert_refused", ids, {"error_message": error})

    def kept(self, ids: Sequence[int], owner: str, due: dt.datetime, error: str) -> None:
        self._each("alert_kept", ids, {"owner": owner, "due": due, "error_message": error})

    def _each(self, name: str, ids: Sequence[int], values: Row) -> None:
        with self._database.transaction() as session:
            session.execute_many(statement(name), [{**values, "log_id": one} for one in ids])

    def resend(self, route: str) -> int:
        return self._execute("alert_resend", {"route_name": route, "now": self._now()})

    def unsent(self) -> list[AlertMessage]:
        return [_message(row) for row in self._database.read(statement("alert_unsent"))]

    def routes(self) -> dict[str, RouteState]:
        found = [_route(row) for row in self._database.read(statement("alert_route_read"))]
        return {route.name: route for route in found}

    def note_route(self, state: RouteState) -> None:
        values: Row = {
            "route_name": state.name, "failures": state.failures, "rest_until": state.rest_until, "sent": state.sent,
            "error_message": state.last_error,
        }  # fmt: skip
        with self._database.transaction() as session:
            if session.execute(statement("alert_route_update"), values) == 0:
                session.execute(statement("alert_route_insert"), values)

    def ack(self, alert_key: str, by: str) -> bool:
        return self._execute("alert_ack", {"alert_key": alert_key, "acked_by": by, "now": self._now()}) == 1

    def silence(self, pattern: str, until: dt.datetime, by: str) -> None:
        self._execute("alert_silence_insert", {"pattern": pattern, "expires": until, "acked_by": by, "now": self._now()})

    def unsilence(self, pattern: str) -> int:
        return self._execute("alert_silence_end", {"pattern": pattern, "now": self._now()})

    def purge(self, before: dt.datetime) -> int:
        return self._execute("alert_purge", {"older": before})

    def _execute(self, name: str, values: Row) -> int:
        with self._database.transaction() as session:
            return session.execute(statement(name), values)


def _write_message(session: Session, message: AlertMessage, now: dt.datetime) -> None:
    """The watchers take turns, so the look before the insert is exact; the UNIQUE constraint is the second lock."""
    if session.rows(statement("alert_message_seen"), {"dedupe_key": message.dedupe_key}):
        return
    values: Row = {
        "dedupe_key": message.dedupe_key, "alert_key": message.alert_key, "kind": message.kind, "table_name": message.table_name,
        "severity": message.severity, "event_name": message.event_name, "route_name": message.route_name, "payload": message.payload,
        "due": message.due, "now": now,
    }  # fmt: skip
    session.execute(statement("alert_message_insert"), values)


def _stamp(value: object) -> dt.datetime:
    return value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(str(value))


def _maybe(value: object) -> dt.datetime | None:
    return None if value is None else _stamp(value)


def _alert(row: Row) -> AlertRow:
    return AlertRow(
        alert_key=str(row["AlertKey"]), kind=str(row["Kind"]), table_name=str(row["TableName"]), severity=str(row["Severity"]),
        state=str(row["State"]), episode=str(row["Episode"]), since=_stamp(row["SinceUtc"]), opened=_stamp(row["OpenedUtc"]),
        seen=_stamp(row["SeenUtc"]), closed=_maybe(row["ClosedUtc"]), notified=_maybe(row["NotifiedUtc"]),
        notifications=int(str(row["Notifications"])), acked=_maybe(row["AckedUtc"]), acked_by=str(row["AckedBy"]), facts=str(row["Facts"]),
    )  # fmt: skip


def _message(row: Row) -> AlertMessage:
    return AlertMessage(
        dedupe_key=str(row["DedupeKey"]), alert_key=str(row["AlertKey"]), kind=str(row["Kind"]), table_name=str(row["TableName"]),
        severity=str(row["Severity"]), event_name=str(row["EventName"]), route_name=str(row["RouteName"]), payload=str(row["Payload"]),
        due=_stamp(row["DueUtc"]), id=int(str(row["AlertLogId"])), state=str(row["State"]), created=_stamp(row["CreatedUtc"]),
        attempts=int(str(row["Attempts"])), last_error=str(row["LastError"]),
    )  # fmt: skip


def _silence(row: Row) -> Silence:
    return Silence(str(row["Pattern"]), _stamp(row["UntilUtc"]), str(row["CreatedBy"]), _stamp(row["CreatedUtc"]))


def _route(row: Row) -> RouteState:
    return RouteState(
        str(row["RouteName"]), int(str(row["Failures"])), _maybe(row["RestUntilUtc"]), _maybe(row["SentUtc"]), str(row["LastError"])
    )  # fmt: skip
