"""The content of each page: which figures, tiles and charts it shows. Knows no HTML and no database."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from cbm_etl_assets.dashboards import charts, figures, quality
from cbm_etl_assets.dashboards.figures import BAD, ENDED, Filters
from cbm_etl_assets.dashboards.journal import Row, Snapshot

Words = Mapping[str, str]
Messages = Callable[[Sequence[int]], Mapping[int, str]]
PAGES = ("operations", "trends", "quality")
SLO_ORDER = ("availability", "latency", "error_rate", "freshness", "quality")


@dataclass(frozen=True)
class Tile:
    """`tone` is good|warn|bad|'' (no judgement)."""

    label: str
    value: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class Content:
    """`parts` by the names the page's template uses; `charts` by the id of their element."""

    page: str
    tiles: tuple[Tile, ...]
    parts: dict[str, Any] = field(default_factory=dict)
    charts: dict[str, charts.Option] = field(default_factory=dict)


def build(page: str, snapshot: Snapshot, filters: Filters, words: Words, messages: Messages) -> Content:
    """`page` is one of PAGES."""
    if page == "trends":
        return _trends(snapshot, filters, words)
    if page == "quality":
        return _quality(snapshot, filters, words)
    return _operations(snapshot, filters, words, messages)


def _operations(snapshot: Snapshot, filters: Filters, words: Words, messages: Messages) -> Content:
    small = snapshot.small
    last, running = figures.last_runs(snapshot, filters), figures.running(snapshot, filters)
    failed = figures.failures(snapshot, filters)
    texts = messages([int(str(row["LogId"])) for row in failed])
    alerts = sorted(({**row, "facts": _facts(row["Facts"])} for row in filters.keep(small["alerts"])), key=_gravity)
    latency = figures.latency(snapshot, filters)
    return Content(
        "operations", _operation_tiles(snapshot, filters, words, last),
        {
            "running": running, "last": last, "failures": [{**row, "message": texts.get(int(str(row["LogId"])), "")} for row in failed],
            "alerts": alerts, "slos": _slos(small["slo"], filters), "next": figures.next_runs(snapshot, filters),
            "breakers": [row for row in small["breakers"] if row["State"] != "closed"],
        },
        {"latency": charts.latency(latency, words)} if latency else {},
    )  # fmt: skip


def _operation_tiles(snapshot: Snapshot, filters: Filters, words: Words, last: list[Row]) -> tuple[Tile, ...]:
    small, good = snapshot.small, sum(row["Status"] == "success" for row in last)
    failures = filters.runs(snapshot, 1).filter(BAD).height
    alerts = filters.keep(small["alerts"])
    held = sum(int(str(row["OpenRows"])) for row in filters.keep(small["quarantine"]))
    budgets = [float(str(row["BudgetLeft"])) for row in small["slo"] if row["TableName"] == "" and row["BudgetLeft"] is not None]
    least = min(budgets, default=None)
    severe = any(row["Severity"] in ("critical", "error") for row in alerts)
    running = filters.runs(snapshot, 90).filter(pl.col("Status") == "started").height
    return (
        Tile(words["tables_good"], f"{good} / {len(last)}", "good" if last and good == len(last) else "bad" if last else ""),
        Tile(words["running_now"], str(running)),
        Tile(words["failures_24h"], str(failures), "bad" if failures else "good"),
        Tile(words["open_alerts"], str(len(alerts)), "bad" if severe else "warn" if alerts else "good"),
        Tile(words["budget_left"], "–" if least is None else f"{100 * max(least, 0):.0f} %", _budget_tone(least)),
        Tile(words["quarantined"], f"{held:,}".replace(",", "\u202f"), "warn" if held else "good"),
    )


def _budget_tone(left: float | None) -> str:
    if left is None:
        return ""
    return "good" if left > 0.5 else "warn" if left > 0 else "bad"


def _slos(rows: list[Row], filters: Filters) -> list[Row]:
    """The platform's objectives, or those of the chosen table."""
    mine = [row for row in rows if row["TableName"] == filters.table]
    return sorted(mine, key=lambda row: SLO_ORDER.index(str(row["SloName"])) if row["SloName"] in SLO_ORDER else 99)


def _gravity(row: Row) -> int:
    """Worst first, within it the oldest (the order they are read in)."""
    order = ("critical", "error", "warning", "info")
    return order.index(str(row["Severity"])) if row["Severity"] in order else len(order)


def _facts(text: object) -> dict[str, Any]:
    try:
        found = json.loads(str(text))
    except ValueError:
        return {"detail": str(text)}
    return found if isinstance(found, dict) else {"detail": str(found)}


def _trends(snapshot: Snapshot, filters: Filters, words: Words) -> Content:
    days = figures.per_day(snapshot, filters)
    ended = filters.runs(snapshot).filter(ENDED)
    read = sum(int(str(day["RowsRead"])) for day in days)
    tiles = (
        Tile(words["loads_in_period"], f"{ended.height:,}".replace(",", "\u202f")),
        Tile(words["rows_in_period"], f"{read:,}".replace(",", "\u202f")),
        _rate_tile(words["error_rate_7"], figures.error_rate(snapshot, filters, 7)),
        _rate_tile(words["error_rate_30"], figures.error_rate(snapshot, filters, 30)),
    )
    return Content(
        "trends", tiles, {"performance": figures.performance(snapshot, filters)},
        {
            "rows": charts.rows_per_day(days, words), "loads": charts.loads_per_day(days, words), "volume": charts.volume(days, words),
            "errors": charts.error_rate(days, words), "durations": charts.durations(figures.durations(snapshot, filters), words),
        } if ended.height else {},
    )  # fmt: skip


def _rate_tile(label: str, rate: float | None) -> Tile:
    # The platform's own thresholds: objective 1 %, alert 2 %.
    tone = "" if rate is None else "good" if rate < 0.01 else "warn" if rate < 0.02 else "bad"
    return Tile(label, "–" if rate is None else f"{100 * rate:.2f} %", tone)


def _quality(snapshot: Snapshot, filters: Filters, words: Words) -> Content:
    small, passed = snapshot.small, quality.passed_ratio(snapshot, filters)
    violations, coverage = quality.top_violations(snapshot, filters), quality.coverage(snapshot, filters)
    certificates = filters.keep(small["certificates"])
    equal = sum(row["Status"] == "equal" for row in certificates)
    held = sum(int(str(row["OpenRows"])) for row in filters.keep(small["quarantine"]))
    tiles = (
        Tile(words["rules_passed"], "–" if passed is None else f"{100 * passed:.2f} %", _passed_tone(passed)),
        Tile(words["rules_declared"], str(sum(int(str(row["Rules"])) for row in coverage))),
        Tile(words["rules_broken"], str(len(violations)), "warn" if violations else "good"),
        Tile(words["tables_certified"], f"{equal} / {len(certificates)}", _share_tone(equal, len(certificates))),
        Tile(words["quarantined"], f"{held:,}".replace(",", "\u202f"), "warn" if held else "good"),
    )
    days, heat = quality.heat_map(snapshot, filters)
    return Content(
        "quality", tiles,
        {
            "days": days, "heat": heat, "violations": violations, "coverage": coverage, "certificates": certificates,
            "quarantine": filters.keep(small["quarantine"]), "drift": filters.keep(small["drift"]),
        },
        {"verdicts": charts.verdicts_per_day(quality.trend(snapshot, filters), words)} if passed is not None else {},
    )  # fmt: skip


def _passed_tone(passed: float | None) -> str:
    if passed is None:
        return ""
    return "good" if passed >= 0.99 else "warn" if passed >= 0.95 else "bad"


def _share_tone(part: int, whole: int) -> str:
    return "" if not whole else "good" if part == whole else "bad"


def tables_of(snapshot: Snapshot) -> list[str]:
    """Choices of the table filter: the catalogue's, and those that only the log knows."""
    known = {str(row["TableName"]) for row in snapshot.small["schedules"]}
    return sorted(known | {str(name) for name in snapshot.runs.get_column("TableName").unique()})
