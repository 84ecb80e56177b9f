"""Rules a table's data would bear: proposed from values, one column at a time, for a person to review.

Owns what is worth proposing and the shape of a text as a regular expression. Pure: frames in, proposals out. Where the rows
come from, foreign keys and the back-test are `pipeline.suggest`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from cbm_etl_assets.metadata.rules import Line
from cbm_etl_assets.metadata.spec import ColumnSpec
from cbm_etl_assets.metadata.types import Kind

MIN_ROWS = 50  # fewer rows than that prove nothing about the next ones
MAX_VALUES, ROWS_A_VALUE = 12, 20  # a code list: few values, each of them often
# A junk value in a thousand is what ERPs hold; the rule is proposed with that tolerance rather than not at all.
TOLERATED = 0.001
_SHAPE_SHARE = 0.999
_NUMBERS = (Kind.INTEGER, Kind.BIGINT, Kind.DECIMAL, Kind.DOUBLE)
_IDENTITIES = (Kind.INTEGER, Kind.BIGINT, Kind.VARCHAR)
_DATES = (Kind.DATE, Kind.TIMESTAMP)


@dataclass(frozen=True)
class Proposal:
    """One line of `quality:` and what the data says for it."""

    line: Line
    why: str

    @property
    def kind(self) -> str:
        return self.line if isinstance(self.line, str) else next(iter(self.line))


def propose(column: ColumnSpec, target: str, values: pl.Series, now: dt.datetime, *, is_key: bool) -> Iterator[Proposal]:
    """Rules on one ODS-bound column. Masked columns are judged on being filled only."""
    rows, filled = len(values), values.drop_nulls()
    if rows < MIN_ROWS or filled.n_unique() < 2:
        return  # empty or constant: nothing to learn from
    name = column.name if len(column.target_names) == 1 else target
    if not is_key:
        yield from _filled(name, rows, len(filled))
    if column.mask:
        return
    distinct = filled.n_unique()
    if distinct == rows and not is_key and column.logical.kind in _IDENTITIES:
        yield Proposal({"unique": [name]}, f"{rows} rows, {rows} values")
    if column.logical.kind in _NUMBERS:
        yield from _number(name, filled)
    elif column.logical.kind in _DATES:
        yield from _date(name, filled, now)
    elif column.logical.is_text:
        yield from _text(name, filled, distinct)


def _filled(name: str, rows: int, filled: int) -> Iterator[Proposal]:
    if filled == rows:
        yield Proposal({"not_null": [name]}, f"filled in all of {rows} rows")
    elif 100 * filled >= 90 * rows:
        percent = int(100 * filled / rows) - 1
        yield Proposal({"min_fill_rate": {"column": name, "percent": percent}}, f"filled in {100 * filled / rows:.1f} % of {rows} rows")


def _number(name: str, filled: pl.Series) -> Iterator[Proposal]:
    below = int((filled < 0).sum())
    if below > TOLERATED * len(filled) or int((filled > 0).sum()) == 0:
        return
    fields: dict[str, object] = {"column": name, "min": 0}
    if name.lower().startswith(("tx_", "taux")) and int((filled > 100).sum()) == 0:
        fields["max"] = 100
    if below:
        fields["max_percent"] = 100 * TOLERATED
    yield Proposal({"range": fields}, f"{filled.min()!s} to {filled.max()!s}, {below} below 0")


def _date(name: str, filled: pl.Series, now: dt.datetime) -> Iterator[Proposal]:
    days = filled.cast(pl.Date).sort()
    tail = int(TOLERATED * len(days))
    first, last = days[tail], days[-1 - tail]
    ahead = -(-max(0, (last - now.date()).days) // 30) * 30  # whole months
    fields: dict[str, object] = {"column": name, "min": f"{first.year:04d}-01-01", "max": f"today+{ahead}d" if ahead else "today"}
    outside = int(((days < dt.date(first.year, 1, 1)) | (days > now.date() + dt.timedelta(days=ahead))).sum())
    if outside:
        fields["max_percent"] = 100 * TOLERATED
    yield Proposal({"range": fields}, f"{days[0]} to {days[-1]}, {outside} outside")


def _text(name: str, filled: pl.Series, distinct: int) -> Iterator[Proposal]:
    if distinct <= MAX_VALUES and len(filled) >= ROWS_A_VALUE * distinct:
        yield Proposal({"allowed_values": {"column": name, "values": sorted(filled.unique().to_list())}}, f"{distinct} values")
        return
    shape = text_shape(filled)
    if shape:
        regex, share = shape
        fields: dict[str, object] = {"column": name, "regex": regex}
        if share < 1:
            fields["max_percent"] = 100 * TOLERATED
        yield Proposal({"pattern": fields}, f"{100 * share:.2f} % of {len(filled)} values")


def text_shape(values: pl.Series) -> tuple[str, float] | None:
    """The regular expression nearly all values match, if they have one shape of digits, capitals and marks; and their share.

    Free text has none: letters in lower case, more than 40 characters, or shapes that differ in more than the number of digits.
    """
    shapes = values.str.replace_all(r"[A-Z]", "A").str.replace_all(r"\d", "9")
    common = shapes.str.replace_all(r"9+", "9").value_counts(sort=True, name="n").row(0)
    shape, share = str(common[0]), int(common[1]) / len(values)
    if share < _SHAPE_SHARE or not shape or len(shape) > 40 or re.search(r"[a-zà-ÿ]", shape) or "9" not in shape:
        return None
    alike = values.filter(shapes.str.replace_all(r"9+", "9") == shape)
    return "".join(_part(part, i, alike) for i, part in enumerate(re.findall(r"9|[^9]+", shape))), share


def _part(part: str, place: int, values: pl.Series) -> str:
    """A run of digits by its lengths, letters by themselves where they never differ."""
    pieces = values.str.extract_all(r"\d+|\D+").list.get(place)
    lengths = pieces.str.len_chars()
    if part == "9":
        least, most = lengths.min(), lengths.max()
        return rf"\d{{{least!s}}}" if least == most else rf"\d{{{least!s},{most!s}}}"
    if pieces.n_unique() == 1:
        return re.escape(str(pieces[0])).replace("\\ ", " ").replace("\\-", "-")
    return "".join(f"[A-Z]{{{len(run)}}}" if run[0] == "A" else re.escape(run) for run in re.findall(r"A+|[^A]+", part))
