"""The torture tables: what each type is asked to carry from a source to ODS, and what is done with what cannot be carried.

A case is one table of two columns in a plain PostgreSQL source. Each value arrives exactly, or its row is left out and stands in
quarantine with the value in words; there is no third way. docs/types.md lists the cases, integration/test_types.py drives them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

LEFT_OUT = object()  # in quarantine, named; nothing of the row in ODS
UTC = dt.UTC
Values = tuple[tuple[str | None, Any], ...]


@dataclass(frozen=True)
class TypeCase:
    """`source`: the column's type there; `values`: its text there and what ODS must hold; `spec`: what the table's YAML declares."""

    name: str
    source: str
    logical: str
    values: Values
    policy: str
    spec: dict[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> list[str]:
        return [str(text) for text, wanted in self.values if wanted is LEFT_OUT]


def stamp(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def same(*texts: str) -> Values:
    return tuple((text, text) for text in texts)


NINES = "9" * 38
EXACT = "exact"

CASES = (
    TypeCase("integer", "integer", "integer", (("-2147483648", -(2**31)), ("2147483647", 2**31 - 1), ("0", 0), (None, None)), EXACT),
    TypeCase("bigint", "bigint", "bigint", ((str(-(2**63)), -(2**63)), (str(2**63 - 1), 2**63 - 1), (None, None)), EXACT),
    TypeCase("decimal_whole", "numeric(38,0)", "decimal(38,0)",
             ((NINES, Decimal(NINES)), (f"-{NINES}", Decimal(f"-{NINES}")), ("0", Decimal(0)), (None, None), ("NaN", LEFT_OUT)),
             "exact; NaN is left out"),
    TypeCase("decimal_fraction", "numeric(38,38)", "decimal(38,38)",
             ((f"0.{NINES}", Decimal(f"0.{NINES}")), (f"-0.{'0' * 37}1", Decimal("-1E-38")), ("NaN", LEFT_OUT)), "exact; NaN is left out"),
    TypeCase("decimal_money", "numeric(12,2)", "decimal(12,2)",
             (("-0.01", Decimal("-0.01")), ("9999999999.99", Decimal("9999999999.99")), ("NaN", LEFT_OUT)), "exact; NaN is left out"),
    TypeCase("decimal_50", "numeric(50,12)", "decimal(38,10)",
             (("1.5", Decimal("1.5000000000")), (NINES, LEFT_OUT), ("9" * 28, Decimal("9" * 28 + ".0000000000")),
              (f"0.{'1' * 12}", LEFT_OUT)),
             "exact where 38 digits, 10 of them decimals, hold the value; the others are left out, never rounded"),
    TypeCase("decimal_50_as_text", "numeric(50,12)", "varchar(60)",
             ((f"{NINES}.{'9' * 12}", f"{NINES}.{'9' * 12}"), ("1.5", "1.500000000000"), ("NaN", "NaN"), (None, None)),
             "declared `type: varchar(60)`, `source_type: varchar(60)`: every digit, as the source writes it",
             {"type": "varchar(60)", "source_type": "varchar(60)"}),
    TypeCase("decimal_unbounded", "numeric", "decimal(28,6)",
             (("1.5", Decimal("1.500000")), ("0.1234567", LEFT_OUT), ("Infinity", LEFT_OUT), ("NaN", LEFT_OUT), ("9" * 45, LEFT_OUT)),
             "the driver calls it decimal(28,6): what does not fit is left out; declare a wider one, or text"),
    TypeCase("double", "double precision", "double",
             (("0.1", 0.1), ("-0", -0.0), ("5e-324", 5e-324), ("1.7976931348623157e308", 1.7976931348623157e308), (None, None),
              ("NaN", float("nan")), ("Infinity", float("inf")), ("-Infinity", float("-inf"))),
             "exact, NaN and the infinities too: DuckDB holds them"),
    TypeCase("double_finite", "double precision", "double",
             (("0.1", 0.1), (None, None), ("NaN", LEFT_OUT), ("Infinity", LEFT_OUT), ("-Infinity", LEFT_OUT)),
             "declared `non_finite: quarantine`: NaN and the infinities are left out", {"non_finite": "quarantine"}),
    TypeCase("real", "real", "double", (("0.1", 0.1), ("3.4028235e38", 3.4028235e38), ("1e-45", 1e-45), (None, None)),
             "the shortest decimal the source writes, as a double"),
    TypeCase("boolean", "boolean", "boolean", (("true", True), ("false", False), (None, None)), "exact, three states"),
    TypeCase("date", "date", "date",
             (*((text, dt.date.fromisoformat(text)) for text in
                ("0001-01-01", "1582-10-10", "1752-09-10", "1900-02-28", "2000-02-29", "9999-12-31")), (None, None)), EXACT),
    TypeCase("date_outside", "date", "date",
             (("2026-01-01", dt.date(2026, 1, 1)), ("infinity", LEFT_OUT), ("-infinity", LEFT_OUT), ("0044-03-15 BC", LEFT_OUT),
              ("10000-01-01", LEFT_OUT)), "years 1 to 9999 are exact; others, and infinity, are left out"),
    TypeCase("timestamp", "timestamp", "timestamp",
             (*((text, stamp(text)) for text in
                ("0001-01-01 00:00:00", "1700-01-01 12:00:00.000001", "2026-03-29 02:30:00", "2026-10-25 02:30:00",
                 "9999-12-31 23:59:59.999999")), (None, None)),
             "exact to the microsecond; naive stays naive, also in the hours a clock change skips or repeats"),
    TypeCase("timestamp_outside", "timestamp", "timestamp",
             (("2026-01-01", dt.datetime(2026, 1, 1)), ("infinity", LEFT_OUT), ("-infinity", LEFT_OUT),
              ("0044-03-15 12:00:00 BC", LEFT_OUT), ("10000-01-01 00:00:00", LEFT_OUT)),
             "years 1 to 9999 are exact; others, and infinity, are left out"),
    TypeCase("timestamptz", "timestamptz", "timestamptz",
             (("2026-10-25 02:30:00+02", dt.datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
              ("2026-10-25 02:30:00+01", dt.datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
              ("2026-01-01 05:30:00.123456+05:30", dt.datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
              ("0001-01-02 00:00:00+00", dt.datetime(1, 1, 2, tzinfo=UTC)),
              ("9999-12-31 23:59:59.999999+00", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)), (None, None)),
             "exact, as UTC instants"),
    TypeCase("timestamptz_outside", "timestamptz", "timestamptz",
             (("2026-01-01 00:00:00+00", dt.datetime(2026, 1, 1, tzinfo=UTC)), ("infinity", LEFT_OUT),
              ("0044-03-15 12:00:00+00 BC", LEFT_OUT), ("10000-01-02 00:00:00+00", LEFT_OUT)),
             "years 1 to 9999 are exact; others, and infinity, are left out"),
    TypeCase("time", "time", "time",
             (("00:00:00", dt.time()), ("12:00:00.5", dt.time(12, 0, 0, 500_000)), ("23:59:59.999999", dt.time(23, 59, 59, 999_999)),
              (None, None), ("24:00:00", LEFT_OUT)), "exact; 24:00:00 is left out"),
    TypeCase("text", "varchar(40)", "varchar(40)",
             (*same("", " ", "a  ", "  a", "?", "NULL", "\\N", "^^", "a;b~;c~~", "\t\r\n", "\x80\x9f", "\u00a0", "é€😀",
                    "e\u0301", "\ufeff"),
              (None, None)), "exact: '' is not NULL, blanks stay, nothing is normalised"),
    TypeCase("char", "char(6)", "varchar(6)",
             (("a", "a     "), ("ab    ", "ab    "), ("      ", "      "), ("éé", "éé    "), (None, None)), "as delivered, padded"),
    TypeCase("binary", "bytea", "binary", (("\\x", b""), ("\\x00", b"\0"), ("\\x00ff80", b"\0\xff\x80"), (None, None)), EXACT),
    TypeCase("uuid", "uuid", "varchar(37)",
             (("12345678-1234-1234-1234-1234567890ab", "12345678-1234-1234-1234-1234567890AB"), (None, None)),
             "its text, in capitals: psqlODBC knows the type and writes it so"),
)  # fmt: skip
