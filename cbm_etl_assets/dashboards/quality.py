"""Figures of the data quality page: rule results in, plain rows out. Pure."""

from __future__ import annotations

import datetime as dt

import polars as pl

from cbm_etl_assets.dashboards.figures import Filters, days_of
from cbm_etl_assets.dashboards.journal import Row, Snapshot

# Worst first.
VERDICTS = ("FAILED", "WARNING", "VALID", "SKIPPED")
_RANK = pl.col("Verdict").replace_strict({name: rank for rank, name in enumerate(VERDICTS)}, default=len(VERDICTS), return_dtype=pl.Int64)
BROKEN = pl.col("Verdict").is_in(["FAILED", "WARNING"])
EVALUATED = pl.col("Verdict") != "SKIPPED"


def heat_map(snapshot: Snapshot, filters: Filters) -> tuple[list[dt.date], list[Row]]:
    """(days, one row a table): `cells` holds for each day (worst verdict or '', rules evaluated, rules broken)."""
    days = days_of(snapshot.now, filters.days)
    rules = filters.rules(snapshot).with_columns(day=pl.col("LogTs").dt.date(), rank=_RANK)
    cells = rules.group_by("TableName", "day").agg(pl.col("rank").min(), EVALUATED.sum().alias("rules"), BROKEN.sum().alias("broken"))
    found = {(r["TableName"], r["day"]): r for r in cells.to_dicts()}
    tables = sorted({str(r["TableName"]) for r in filters.keep(snapshot.small["declared"])} | {name for name, _ in found})
    return days, [{"table": name, "cells": [_cell(found.get((name, day))) for day in days]} for name in tables]


def _cell(row: Row | None) -> tuple[str, int, int]:
    if row is None:
        return ("", 0, 0)
    rank = int(str(row["rank"]))
    return (VERDICTS[rank] if rank < len(VERDICTS) else "", int(str(row["rules"])), int(str(row["broken"])))


def trend(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """One row a day: rules evaluated, passed, with a warning, failed."""
    rules = filters.rules(snapshot).filter(EVALUATED).with_columns(day=pl.col("LogTs").dt.date())
    counts = [(pl.col("Verdict") == name).sum().alias(name) for name in VERDICTS[:3]]
    found = {r["day"]: r for r in rules.group_by("day").agg(*counts).to_dicts()}
    return [found.get(day, {"day": day, "FAILED": 0, "WARNING": 0, "VALID": 0}) for day in days_of(snapshot.now, filters.days)]


def passed_ratio(snapshot: Snapshot, filters: Filters) -> float | None:
    """Rules that did not fail, of rules evaluated; None without any."""
    evaluated = filters.rules(snapshot).filter(EVALUATED)
    return None if evaluated.is_empty() else float(evaluated.select((pl.col("Verdict") != "FAILED").mean()).item())


def top_violations(snapshot: Snapshot, filters: Filters, most: int = 15) -> list[Row]:
    keys = ["TableName", "RuleName", "RuleKind", "ColumnName", "RuleText", "Severity"]
    worst = (pl.col("PercentFailed").max(), pl.col("LogTs").max(), _RANK.min().alias("rank"))
    found = filters.rules(snapshot).filter(BROKEN).group_by(keys).agg(pl.len().alias("times"), pl.col("RowsFailed").sum(), *worst)
    return (
        found.sort(["rank", "times", "RowsFailed", "TableName", "RuleName"], descending=[False, True, True, False, False])
        .head(most)
        .to_dicts()
    )


def coverage(snapshot: Snapshot, filters: Filters) -> list[Row]:
    """Every table of the catalogue: rules declared, rules evaluated in the period, share of its columns a rule looks at."""
    seen = filters.rules(snapshot).filter(EVALUATED).group_by("TableName").agg(pl.col("RuleName").n_unique().alias("n"))
    evaluated = dict(zip(seen.get_column("TableName"), seen.get_column("n"), strict=True))
    return [
        {**row, "evaluated": evaluated.get(str(row["TableName"]), 0), "share": _share(row["ColumnsCovered"], row["ColumnsTotal"])}
        for row in filters.keep(snapshot.small["declared"])
    ]


def _share(part: object, whole: object) -> float | None:
    return float(str(part)) / float(str(whole)) if whole else None
