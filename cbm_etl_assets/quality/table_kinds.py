"""Kinds of rules on whole relations: uniqueness, orphans, sizes, age, order. One statement each, run by the warehouse.

Owns what the kinds mean; the statements are in sql/common/quality. No annotation is postponed here: the registry reads the
parameters from the signatures.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import Field

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.rulekinds import STG_ODS, ColumnName, ColumnNames, Layer, OtherTable, Scope, rule
from cbm_etl_assets.metadata.spec import Duration, TableSpec
from cbm_etl_assets.quality.look import STATEMENTS, Finding, Look, ansi_quote
from cbm_etl_assets.quality.volume import judge_volume
from cbm_etl_assets.warehouse.sql import Fragment, Value

ODS_STG = (Layer.ODS, Layer.STG)
Other = Annotated[str, OtherTable(columns="to"), Field(min_length=1, max_length=128)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _equal(left: list[str], right: list[str]) -> Fragment:
    return Fragment(" AND ".join(f"{a} = {b}" for a, b in zip(left, right, strict=True)))


def _filled(columns: list[str]) -> Fragment:
    return Fragment(" AND ".join(f"{column} IS NOT NULL" for column in columns))


@rule("unique", scope=Scope.TABLE, layers=ODS_STG, sees_masks=True)
def unique(look: Look, columns: ColumnNames) -> Finding:
    """No two rows hold the same values in these columns; rows with a NULL among them do not count."""
    bare = [look.comparable("r", name) for name in columns]
    group = Fragment(", ".join(f"{column} AS c{i}" for i, column in enumerate(bare)))
    by = Fragment(", ".join(bare))
    checked, failed = look.first("unique", group=group, by=by, filled=_filled(bare))
    same = _equal(bare, [f"d.c{i}" for i in range(len(bare))])
    samples = look.keys("unique_keys", group=group, by=by, filled=_filled(bare), same=same) if failed else ()
    return Finding(checked, failed, f"{failed} rows share their values", samples)


@rule("duplicate_keys", scope=Scope.TABLE, layers=STG_ODS)
def duplicate_keys(look: Look) -> Finding:
    """A load delivers each key once (the merge keeps the newest of several and counts the others)."""
    if not look.spec.primary_key:
        return Finding(skipped="the table has no key")
    hashed = Fragment(f"r.{ansi_quote('_key_hash')}")
    group = Fragment(f"{hashed} AS c0")
    checked, failed = look.first("duplicates", group=group, by=hashed)
    same = _equal([str(hashed)], ["d.c0"])
    filled = _filled([str(hashed)])
    samples = look.keys("unique_keys", group=group, by=hashed, filled=filled, same=same) if failed else ()
    return Finding(checked, failed, f"{failed} rows repeat a key", tuple(dict.fromkeys(samples)))


@rule("foreign_key", scope=Scope.TABLE, layers=STG_ODS)
def foreign_key(look: Look, columns: ColumnNames, table: Other, to: tuple[str, ...] = ()) -> Finding:
    """Every value is a key of another table of the warehouse (to: its columns, default its key); NULL passes."""
    other = _other(look, table)
    theirs = to or other.key_targets
    if len(theirs) != len(columns):
        raise SpecError(f"foreign_key: {len(columns)} columns here, {len(theirs)} in '{other.name}' ({', '.join(theirs)})")
    if not look.was_loaded(other.name):
        return Finding(skipped=f"ods.{other.name} was never loaded")
    mine = [look.comparable("r", name) for name in columns]
    keys = Fragment(", ".join(f"{look.comparable('o', name, other)} AS k{i}" for i, name in enumerate(theirs)))
    same = _equal(mine, [f"o.k{i}" for i in range(len(theirs))])
    values: dict[str, Value] = {
        "other": STATEMENTS.ident("ods", other.name), "theirs": keys, "same": same, "filled": _filled(mine),
    }  # fmt: skip
    checked, failed = look.first("orphans", **values)
    samples = look.keys("orphan_keys", **values) if failed else ()
    return Finding(checked, failed, f"{failed} rows point at no row of {other.name}", samples)


def _other(look: Look, table: str) -> TableSpec:
    found = next((spec for name, spec in look.catalog.items() if name.lower() == table.lower()), None)
    if found is None:
        raise SpecError(f"foreign_key: unknown table '{table}'. Known: {', '.join(sorted(look.catalog)) or 'none'}.")
    return found


@rule("row_count", scope=Scope.TABLE, layers=ODS_STG)
def row_count(look: Look, min: Annotated[int, Field(ge=0)] = 1, max: Annotated[int | None, Field(ge=0)] = None) -> Finding:
    """The table (layer stg: the load) has at least min and at most max rows."""
    [rows] = look.first("count")
    is_outside = rows < min or (max is not None and rows > max)
    wanted = f"at least {min}" if max is None else f"{min} to {max}"
    return Finding(rows, int(is_outside), f"{rows} rows, {wanted} wanted")


@rule("volume", scope=Scope.TABLE, layers=(Layer.STG,))
def volume(
    look: Look, max_z: Annotated[float, Field(gt=0)] = 4, days: Annotated[int, Field(ge=7, le=400)] = 90,
    min_loads: Annotated[int, Field(ge=3)] = 8, weekday: bool = True,
) -> Finding:  # fmt: skip
    """The load is as large as loads of its mode usually are (robust z-score; weekday: of the same day of the week)."""
    if look.rows_read is None or look.mode not in ("full", "incremental"):
        return Finding(skipped=f"a load of mode '{look.mode}' has no usual size" if look.mode else "nothing is loaded here")
    past = look.control.past_loads(look.spec.name, look.mode, look.utc - dt.timedelta(days=days))
    judged = judge_volume(look.rows_read, past, look.utc, max_z=max_z, min_loads=min_loads, weekday=weekday)
    if judged.score is None:
        return Finding(skipped=judged.said)
    return Finding(look.rows_read, int(abs(judged.score) > max_z), judged.said)


@rule("freshness", scope=Scope.TABLE, layers=(Layer.ODS,))
def freshness(
    look: Look, column: ColumnName, max_age: Duration, days: tuple[Weekday, ...] = WEEK, holidays: tuple[dt.date, ...] = ()
) -> Finding:
    """The newest value is not older than max_age (24h, 2d); days without business do not count."""
    [newest] = look.row("newest", column=Fragment(f"r.{ansi_quote(column)}"))
    if newest is None:
        return Finding(1, 1, "there is no value at all")
    moment = _moment(newest)
    age = business_age(moment, look.now, frozenset(WEEK.index(day) for day in days), frozenset(holidays))
    hours, allowed = age.total_seconds() / 3600, max_age.total_seconds() / 3600
    return Finding(1, int(age > max_age), f"newest {moment:%Y-%m-%d %H:%M}, {hours:.1f} h of business ago, {allowed:g} h allowed")


def _moment(value: object) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    raise SpecError(f"freshness: a {type(value).__name__} is no date", remedy="name a date or timestamp column")


def business_age(moment: dt.datetime, now: dt.datetime, weekdays: frozenset[int], holidays: frozenset[dt.date]) -> dt.timedelta:
    """Time between the two, on days of business only. A moment to come has no age."""
    age, start = dt.timedelta(), moment
    while start < now:
        end = min(now, dt.datetime.combine(start.date() + dt.timedelta(days=1), dt.time()))
        if start.weekday() in weekdays and start.date() not in holidays:
            age += end - start
        start = end
    return age


@rule("monotonic", scope=Scope.TABLE, layers=ODS_STG)
def monotonic(look: Look, column: ColumnName, by: ColumnNames | None = None, decreasing: bool = False) -> Finding:
    """The value never falls in the order of other columns (by: default the key)."""
    order = by or look.spec.key_targets
    if not order:
        return Finding(skipped="the table has no key to order by; name columns in `by`")
    value = Fragment(f"r.{ansi_quote(column)}")
    ordered = Fragment(", ".join(f"r.{ansi_quote(name)}" for name in order))
    step = Fragment("s.v > s.p" if decreasing else "s.v < s.p")
    checked, failed = look.first("monotonic", value=value, order=ordered, step=step)
    samples = look.keys("monotonic_keys", value=value, order=ordered, step=step, outer=look.outer_keys) if failed else ()
    return Finding(checked, failed, f"{failed} values {'rise' if decreasing else 'fall'}", samples)
