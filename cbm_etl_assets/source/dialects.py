"""Source dialects and driver profiles, as data.

Owns what differs between sources: quoting, hints, clock, parameter style, key comparison, and per driver the connection
options and the values it delivers safely as text only. Knows nothing of specs, requests or processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from cbm_etl_assets.errors import SettingsError
from cbm_etl_assets.metadata.types import Kind


@dataclass(frozen=True)
class SourceDialect:
    """How one kind of source spells a read. `catalogue` names a reader of `source.catalogue`."""

    name: str
    clock_sql: str
    catalogue: str
    table_suffix: str = ""
    quote: str = '"'
    case_insensitive_keys: bool = False
    blank_padded: bool = False
    probe_suffix: str = ""
    # arrow-odbc binds every parameter as VARCHAR: where the server does not convert by itself, the marker is cast.
    parameter: Mapping[Kind, str] = field(default_factory=dict)
    true_literal: str = "TRUE"
    limit_prefix: str = ""
    limit_suffix: str = ""
    # Columns of these kinds are cast to text by the server, where the driver would change a value: see `for_driver`.
    text_kinds: frozenset[Kind] = frozenset()
    text_cast: str = ""

    def identifier(self, name: str) -> str:
        """Always quoted: hyphens, reserved words and mixed case are common in OpenEdge names."""
        return f"{self.quote}{name.replace(self.quote, self.quote * 2)}{self.quote}"

    def table(self, schema: str, table: str) -> str:
        qualified = f"{self.identifier(schema)}.{self.identifier(table)}" if schema else self.identifier(table)
        return qualified + self.table_suffix

    def marker(self, kind: Kind) -> str:
        return self.parameter.get(kind, "?")

    def selected(self, name: str, kind: Kind) -> str:
        """The column as a SELECT list names it; its name in the result stays its own."""
        quoted = self.identifier(name)
        return f"{self.text_cast.format(column=quoted)} AS {quoted}" if kind in self.text_kinds else quoted


DIALECTS: dict[str, SourceDialect] = {
    "openedge": SourceDialect(
        name="openedge",
        # SYSCALCTABLE is OpenEdge's one-row table; SYSTIMESTAMP is the SERVER's wall clock.
        clock_sql="SELECT SYSTIMESTAMP FROM SYSPROGRESS.SYSCALCTABLE",
        catalogue="openedge",
        # NOLOCK beside isolation 0: the hint still holds where a DSN or an administrator overrides the isolation level.
        table_suffix=" WITH (NOLOCK)",
        case_insensitive_keys=True,
        blank_padded=True,
        parameter={
            Kind.DATE: "CAST(? AS DATE)", Kind.TIMESTAMP: "CAST(? AS TIMESTAMP)", Kind.INTEGER: "CAST(? AS INTEGER)",
            Kind.BIGINT: "CAST(? AS BIGINT)", Kind.DECIMAL: "CAST(? AS DECIMAL(38,10))",
        },
        true_literal="1",  # LOGICAL is BIT and there is no boolean literal
        limit_prefix="TOP {n} ",
    ),
    "ansi": SourceDialect(
        name="ansi",
        clock_sql="SELECT CURRENT_TIMESTAMP",
        catalogue="odbc",
        limit_suffix=" FETCH FIRST {n} ROWS ONLY",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class DriverProfile:
    """What one ODBC driver needs in its connection string and what it damages unless read as text.

    `options`: (accepted spellings of the keyword, value template); appended when none of the spellings is present.
    """

    name: str
    pattern: str
    options: tuple[tuple[tuple[str, ...], str], ...] = ()
    text_kinds: frozenset[Kind] = frozenset()
    # True when the session zone is pinned to UTC by `options`, so a zone-less instant of an aware column is UTC.
    aware_is_utc: bool = False
    # How a server behind this driver is asked for text, where its SQL is its own (dialect ansi).
    text_cast: str = ""
    family: str = ""


ZONE_OPTION = ("ConnSettings", "A6")

PROFILES: tuple[DriverProfile, ...] = (
    DriverProfile(
        name="psqlodbc",
        pattern=r"psqlodbc|postgres",
        options=(
            (("BoolsAsChar", "B8"), "0"),
            # Without it psqlODBC holds the whole result in memory (784 MB for 40,000 x 320) before the first row.
            (("UseDeclareFetch", "B6"), "1"),
            (("Fetch", "A7"), "{array_size}"),
            # The driver reports this as the width of `text`; arrow-odbc cannot raise it, only lower it.
            (("MaxLongVarcharSize", "B1"), "{text_bytes}"),
            (ZONE_OPTION, "SET+TIME+ZONE+'{session_zone}'"),
        ),
        # 'infinity' came back as today and year 10000 as 1000 through SQL_DATE_STRUCT; as text they fail to parse.
        # DECIMAL 'NaN' was read as 0. Text also costs 0.8 s CPU less per 12.8 million cells.
        text_kinds=frozenset({Kind.DATE, Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME}),
        aware_is_utc=True,
        # Even as text the driver gives 'infinity' as 9999-12-31 23:59:59, 0044-03-15 BC as 0044-03-15, and to pyodbc year 10000 as
        # 1000 and 'infinity' as today: only what the server itself writes is what it holds.
        text_cast="CAST({column} AS VARCHAR(40))",
        family="psqlodbc",
    ),
    DriverProfile(
        name="openedge",
        pattern=r"openedge|pgoe\d",
        options=(
            # READ UNCOMMITTED: no record locks at the source, no overflow of its lock table (error 915, then 6495).
            (("DefaultIsolationLevel", "DIL"), "0"),
            # The driver's default of 50 rows a round trip is what held the predecessor at 700 rows/s.
            (("ArraySize", "AS"), "{array_size}"),
            (("LoginTimeout", "LT"), "{login_timeout}"),
            (("QueryTimeout", "QT"), "{query_timeout}"),
            (("IANAAppCodePage", "IACP"), "106"),  # UTF-8: the Linux driver assumes Latin-1 otherwise
        ),
        family="openedge",
    ),
    DriverProfile(name="any", pattern=r""),
)

_PAIR = re.compile(r"\s*([^=;]+?)\s*=\s*(\{(?:[^}]|\}\})*\}|[^;]*)\s*(?:;|$)")


def dialect(name: str) -> SourceDialect:
    """Raises: SettingsError naming the known dialects."""
    if name not in DIALECTS:
        raise SettingsError(f"Unknown source dialect '{name}'. Known: {', '.join(sorted(DIALECTS))}.", remedy="set CBM_SOURCE__DIALECT")
    return DIALECTS[name]


def keywords(connection_string: str) -> dict[str, str]:
    """Keywords (lower case) and values of a connection string; braces are understood."""
    return {m[1].lower(): m[2] for m in _PAIR.finditer(connection_string)}


def profile_of(connection_string: str) -> DriverProfile:
    """The profile of the driver that the string names; `any` for an unknown one or a bare DSN."""
    named = keywords(connection_string)
    driver = named.get("driver", named.get("dsn", ""))
    return next(p for p in PROFILES if re.search(p.pattern, driver, re.IGNORECASE))


def for_driver(spoken: SourceDialect, profile: DriverProfile) -> SourceDialect:
    """The dialect as this driver must be asked. A source with an SQL of its own (OpenEdge) is asked for its columns as they are."""
    if spoken.name != "ansi" or not profile.text_cast:
        return spoken
    return replace(spoken, text_kinds=profile.text_kinds, text_cast=profile.text_cast)


def is_session_utc(connection_string: str, profile: DriverProfile) -> bool:
    """Whether `complete` pins the session's zone: an operator's own session settings may say another one."""
    present = keywords(connection_string)
    return profile.aware_is_utc and not any(name.lower() in present for name in ZONE_OPTION)


def complete(connection_string: str, profile: DriverProfile, values: Mapping[str, str]) -> str:
    """The connection string with the profile's options appended where the operator left them open."""
    present = keywords(connection_string)
    missing = [
        f"{names[0]}={template.format_map(values)}" for names, template in profile.options if not any(n.lower() in present for n in names)
    ]
    return ";".join([connection_string.rstrip("; "), *missing]) + ";"
