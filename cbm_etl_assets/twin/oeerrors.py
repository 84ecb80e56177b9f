"""OpenEdge's error texts and SQLSTATEs, and which PostgreSQL error stands for which.

Owns wording. Sources: Progress knowledge base texts for 7512, 10713, 13865, 15814 and native error -210012/-210015.
"""

from __future__ import annotations

import re

from cbm_etl_assets.twin.wire import WireError

PREFIX = "[DataDirect][OpenEdge ODBC driver][OpenEdge] "
_QUOTED = re.compile(r'column "?(.+?)"? does|"(.*?)"')


class Refused(Exception):
    """The statement is one OpenEdge would refuse."""

    def __init__(self, error: WireError) -> None:
        self.error = error
        super().__init__(error.message)


def syntax(near: str) -> Refused:
    return Refused(WireError("42000", f'{PREFIX}Syntax error in SQL statement at or about "{near[:60]}" (10713)'))


def no_column(name: str) -> Refused:
    return Refused(WireError("42S22", f'{PREFIX}Column "{name.upper()}" cannot be found or is not specified for query. (13865)'))


def no_table(name: str) -> Refused:
    return Refused(WireError("42S02", f'{PREFIX}Table/View/Synonym "{name.upper()}" cannot be found. (15814)'))


def denied() -> Refused:
    return Refused(WireError("42000", f"{PREFIX}Access denied (Authorization failed) (7512)"))


def record_lock(table: str) -> WireError:
    return WireError("HY000", f"{PREFIX}Failure getting record lock on a record from table PUB.{table}.")


def translate(error: WireError, tables: frozenset[str]) -> WireError:
    """What the client shall see for an error of PostgreSQL; a login's error stays as it is."""
    if error.severity != "ERROR":
        return error
    if error.state == "55P03":
        return record_lock(min(tables, default="?"))
    found = _QUOTED.search(error.message)
    name = next((g for g in found.groups() if g), "") if found else ""
    known = {"42703": no_column, "42P01": no_table, "3F000": no_table, "42601": syntax}
    if error.state in known:
        return known[error.state](name or error.message).error
    if error.state == "42501":
        return denied().error
    state = "42000" if error.state.startswith("42") else error.state
    return WireError(state, PREFIX + error.message)
