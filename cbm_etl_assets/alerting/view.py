"""A notice as people read it: title, facts, first step, button; in the reader's language and zone, every foreign text made harmless.

Channels lay a View out; none of them reads a Notice. Pure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cbm_etl_assets.alerting import texts
from cbm_etl_assets.alerting.events import Event, Kind, Notice, Severity
from cbm_etl_assets.alerting.safe import first_line, owner, plain

MAX_DETAIL = 700
MAX_DOWNSTREAM = 8


@dataclass(frozen=True)
class Look:
    """For whom: language, zone of the stamps, environment, and the Dagster UI the buttons lead to."""

    language: str = "en"
    timezone: str = "UTC"
    environment: str = ""
    dagster_url: str = ""

    def label(self, name: str, **values: object) -> str:
        return texts.LABELS[self.language][name].format(**values)

    def stamp(self, moment: dt.datetime) -> str:
        """Wall clock of the reader with its offset: `2026-11-21 09:30 (+01:00)`."""
        local = moment.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(self.timezone))
        offset = local.strftime("%z")
        return f"{local:%Y-%m-%d %H:%M} ({offset[:3]}:{offset[3:]})"


@dataclass(frozen=True)
class View:
    key: str
    event: Event
    kind: Kind
    severity: Severity
    table: str
    title: str
    facts: tuple[tuple[str, str], ...]
    detail: str
    downstream: str
    remedy: str
    links: tuple[tuple[str, str], ...]
    at: dt.datetime

    @property
    def is_good(self) -> bool:
        return self.event in (Event.RECOVERED, Event.SUCCESS) or (self.event is Event.SUMMARY and self.severity is Severity.INFO)

    @property
    def url(self) -> str:
        return self.links[0][1] if self.links else ""

    @property
    def line(self) -> str:
        """The whole in one line: for a subject, a group's row, a notification."""
        return f"{self.title}: {self.detail}" if self.detail else self.title


def view(notice: Notice, look: Look) -> View:
    table = plain(notice.table or notice.facts.subject, 130)
    return View(
        key=notice.key, event=notice.event, kind=notice.kind, severity=notice.severity, table=table, title=_title(notice, table, look),
        facts=tuple(_facts(notice, table, look)), detail=_detail(notice, look), downstream=_downstream(notice, look),
        remedy=_remedy(notice, table, look), links=tuple(_links(notice, look)), at=notice.at,
    )  # fmt: skip


def views(notices: Sequence[Notice], look: Look) -> list[View]:
    return [view(notice, look) for notice in notices]


def worst_first(found: Sequence[View]) -> list[View]:
    """What is open before what recovered, the gravest first."""
    return sorted(found, key=lambda v: (v.is_good, -v.severity.rank))


def group_title(found: Sequence[View], look: Look) -> str:
    good = sum(v.is_good for v in found)
    parts = [look.label("group", n=len(found) - good)] if len(found) > good else []
    return ", ".join([*parts, *([look.label("recovered", n=good)] if good else [])])


def _title(notice: Notice, table: str, look: Look) -> str:
    title = texts.TITLES[look.language][notice.kind]
    word = texts.EVENTS[look.language][notice.event]
    place = f" · {table}" if table else ""
    return f"{title}{place}" + (f" ({word})" if word else "")


def _facts(notice: Notice, table: str, look: Look) -> list[tuple[str, str]]:
    found = [(look.label("table"), table)] if notice.table else []
    if notice.kind not in (Kind.SUMMARY, Kind.TEST):
        if notice.table:
            found.append((look.label("owner"), ", ".join(owner(o) for o in notice.facts.owners[:5]) or look.label("none")))
        found.append((look.label("since"), look.stamp(notice.since)))
        if notice.event is Event.RECOVERED:
            found.append((look.label("until"), look.stamp(notice.at)))
        found.append((look.label("severity"), texts.SEVERITIES[look.language][notice.severity]))
    if notice.facts.count > 1:
        found.append((look.label("times"), str(notice.facts.count)))
    names = texts.NUMBERS[look.language]
    found += [(names[name], _number(notice.facts.numbers[name])) for name in names if name in notice.facts.numbers]
    if look.environment:
        found.append((look.label("environment"), plain(look.environment, 40)))
    return found


def _number(value: float) -> str:
    return f"{value:,.0f}".replace(",", "\u202f") if float(value).is_integer() else f"{value:.1f}"


def _detail(notice: Notice, look: Look) -> str:
    if notice.kind is Kind.SUMMARY:
        words = texts.SUMMARY[look.language]
        return f"{words['good' if notice.severity is Severity.INFO else 'bad']} {words['still']}"
    detail = plain(first_line(notice.facts.detail), MAX_DETAIL)
    return f"{plain(notice.facts.error_class, 60)}: {detail}" if notice.facts.error_class else detail


def _downstream(notice: Notice, look: Look) -> str:
    names = [plain(name, 130) for name in notice.facts.downstream]
    if notice.event is Event.RECOVERED or not names:
        return ""
    more = len(names) - MAX_DOWNSTREAM
    return ", ".join(names[:MAX_DOWNSTREAM]) + (f", {look.label('and', n=more)}" if more > 0 else "")


def _remedy(notice: Notice, table: str, look: Look) -> str:
    if notice.event in (Event.RECOVERED, Event.SUCCESS, Event.RETRY):
        return ""
    known = texts.REMEDIES[look.language]
    found = (known.get(notice.facts.error_class) if notice.kind is Kind.RUN_FAILURE else None) or known.get(notice.kind, "")
    return found.format(table=table or "TABLE", subject=plain(notice.facts.subject, 60))


def _links(notice: Notice, look: Look) -> Iterator[tuple[str, str]]:
    """Ours alone: an address never comes from the data. A run of the command line is none of Dagster's; the table's page always is."""
    if not look.dagster_url:
        return
    if notice.facts.run_id:
        yield look.label("open_run"), f"{look.dagster_url}/runs/{quote(notice.facts.run_id, safe='')}"
    if notice.table:
        yield look.label("open_table"), f"{look.dagster_url}/assets/ods/{quote(notice.table, safe='')}"
    elif not notice.facts.run_id:
        yield look.label("open"), look.dagster_url
