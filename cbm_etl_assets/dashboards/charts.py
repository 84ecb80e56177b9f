"""ECharts options as plain data: the browser draws, nothing is computed there. Colours are names that the page's theme fills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cbm_etl_assets.dashboards.figures import DURATION_BOUNDS
from cbm_etl_assets.dashboards.journal import Row

Option = dict[str, Any]
Words = Mapping[str, str]
_GRID = {"left": 8, "right": 16, "top": 36, "bottom": 8, "containLabel": True}


def rows_per_day(days: Sequence[Row], words: Words) -> Option:
    names = (("inserted", "RowsInserted", "$good"), ("updated", "RowsUpdated", "$accent"), ("deleted", "RowsDeleted", "$bad"))
    return _stacked(days, [(words[word], column, colour) for word, column, colour in names])


def loads_per_day(days: Sequence[Row], words: Words) -> Option:
    return _stacked(days, [(words["good"], "good", "$good"), (words["failed"], "bad", "$bad")])


def verdicts_per_day(days: Sequence[Row], words: Words) -> Option:
    colours = {"VALID": "$good", "WARNING": "$amber", "FAILED": "$bad"}
    return _stacked(days, [(words[name], name, colour) for name, colour in colours.items()])


def volume(days: Sequence[Row], words: Words) -> Option:
    line = {
        "name": words["volume"], "type": "line", "data": [d["BytesRead"] for d in days], "areaStyle": {"opacity": 0.15},
        "showSymbol": False, "itemStyle": {"color": "$accent"},
    }  # fmt: skip
    axis = {"type": "value", "axisLabel": {"formatter": "$bytes"}}
    return {**_time_axes(days, legend=False), "yAxis": axis, "$tooltip": "bytes", "series": [line]}


def error_rate(days: Sequence[Row], words: Words) -> Option:
    """Percent a day; a day without a load has no point."""
    rates = [_percent(d["bad"], d["good"]) for d in days]
    line = {
        "name": words["error_rate"],
        "type": "line",
        "data": rates,
        "symbolSize": 6,
        "itemStyle": {"color": "$bad"},
        "connectNulls": True,
    }
    axis = {"type": "value", "min": 0, "axisLabel": {"formatter": "{value} %"}}
    return {**_time_axes(days, legend=False), "yAxis": axis, "series": [line]}


def durations(counts: Sequence[int], words: Words) -> Option:
    labels = [f"≤ {_short(bound)}" for bound in DURATION_BOUNDS] + [f"> {_short(DURATION_BOUNDS[-1])}"]
    bars = {"name": words["loads"], "type": "bar", "data": list(counts), "itemStyle": {"color": "$accent", "borderRadius": [3, 3, 0, 0]}}
    return {
        "grid": {**_GRID, "top": 16}, "tooltip": {"trigger": "axis"}, "xAxis": {"type": "category", "data": labels},
        "yAxis": {"type": "value", "minInterval": 1}, "series": [bars],
    }  # fmt: skip


def latency(tables: Sequence[Row], words: Words) -> Option:
    """Bars: seconds of the last good load; marks: the table's P95, where there are samples enough."""
    shown = sorted(tables, key=lambda row: float(str(row["last"] or 0)))[-20:]
    bars = {"name": words["duration"], "type": "bar", "barMaxWidth": 16, "data": [_round(row["last"]) for row in shown]}
    marks = {"name": "P95", "type": "scatter", "symbol": "rect", "symbolSize": [3, 18], "data": [_round(row["p95"]) for row in shown]}
    return {
        "grid": _GRID, "legend": {"top": 0, "right": 8}, "tooltip": {"trigger": "axis"}, "$height": 60 + 26 * max(3, len(shown)),
        "xAxis": {"type": "value", "axisLabel": {"formatter": "{value} s"}},
        "yAxis": {"type": "category", "data": [row["TableName"] for row in shown]},
        "series": [{**bars, "itemStyle": {"color": "$accent"}}, {**marks, "itemStyle": {"color": "$ink"}}],
    }  # fmt: skip


def _stacked(days: Sequence[Row], series: Sequence[tuple[str, str, str]]) -> Option:
    bars = [
        {"name": name, "type": "bar", "stack": "all", "barMaxWidth": 28, "data": [d[column] for d in days], "itemStyle": {"color": colour}}
        for name, column, colour in series
    ]
    return {**_time_axes(days), "yAxis": {"type": "value", "minInterval": 1}, "series": bars}


def _time_axes(days: Sequence[Row], *, legend: bool = True) -> Option:
    axes: Option = {
        "grid": _GRID if legend else {**_GRID, "top": 16}, "tooltip": {"trigger": "axis"},
        "xAxis": {"type": "category", "data": [str(d["day"]) for d in days]},
    }  # fmt: skip
    return {**axes, "legend": {"top": 0, "right": 8}} if legend else axes


def _percent(bad: object, good: object) -> float | None:
    bads, total = int(str(bad)), int(str(bad)) + int(str(good))
    return round(100 * bads / total, 2) if total else None


def _round(value: object) -> float | None:
    return None if value is None else round(float(str(value)), 2)


def _short(seconds: int) -> str:
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60} min"
