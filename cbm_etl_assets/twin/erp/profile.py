"""How large and how hollow the seven tables of the real ERP are, and how many rows a scale gives.

Owns `profile.json` (columns by type, all-NULL and constant columns, row counts) and the scales. Knows no column names.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cbm_etl_assets.errors import ConfigurationError, UnknownTableError

DEMO_ROWS: dict[str, int] = {
    "client": 1_500, "fournis": 600, "produit": 4_000, "hisprixa": 5_000, "entetcli": 2_000, "lignecli": 6_000, "stock": 4_000,
}  # fmt: skip
_FACTOR = re.compile(r"^(\d+(?:\.\d+)?)x$")
MIN_ROWS = 50  # below that a random column of few values may come out constant and the profile no longer holds


@dataclass(frozen=True)
class TableProfile:
    """`constant` columns are among the `never_null` ones; all_null + partly_null + never_null = columns."""

    rows: int
    columns: int
    all_null: int
    constant: int
    partly_null: int
    never_null: int
    by_type: dict[str, int]


@cache
def profiles() -> dict[str, TableProfile]:
    """The profile of each table, by name."""
    raw = json.loads(files(__package__).joinpath("profile.json").read_text("utf-8"))
    return {
        name: TableProfile(
            rows=t["rows"],
            columns=t["columns"],
            all_null=t["columns_all_null"],
            constant=t["columns_constant"],
            partly_null=t["columns_partly_null"],
            never_null=t["columns_never_null"],
            by_type=t["columns_by_type"],
        )
        for name, t in raw.items()
    }


def profile_of(table: str) -> TableProfile:
    """Raises: UnknownTableError."""
    if table not in profiles():
        raise UnknownTableError(table, profiles())
    return profiles()[table]


def row_counts(scale: str) -> dict[str, int]:
    """Rows of each table: 'demo', or a factor of the real counts such as '1x', '10x', '0.1x'.

    Raises: ConfigurationError for anything else.
    """
    if scale == "demo":
        return dict(DEMO_ROWS)
    found = _FACTOR.match(scale)
    if found is None or float(found[1]) <= 0:
        raise ConfigurationError(
            f"Unknown scale '{scale}'. Known: demo, or a factor of the real row counts.",
            remedy="write demo, 1x, 10x or a fraction such as 0.1x",
        )
    return {name: max(MIN_ROWS, round(profile.rows * float(found[1]))) for name, profile in profiles().items()}
