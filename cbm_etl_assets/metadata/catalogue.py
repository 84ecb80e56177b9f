"""What a source says about its tables: the common answer of a live catalogue, a `.df` dump and the ERP generator.

Owns plain data only. Knows nothing of ODBC, files or specs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cbm_etl_assets.metadata.types import LogicalType


@dataclass(frozen=True)
class SourceColumn:
    """One column as the source declares it.

    `type` is the type of ONE element; `extent` > 0 makes the column an array delivered as one text joined by ';'.
    `sql_width` is the SQL width in characters (of the whole joined text for an array), None where there is none.
    `abl_type` is the ABL word (character, integer, int64, decimal, logical, date, datetime, datetime-tz, raw,
    recid, blob, clob) or the ODBC type name of another source. `place` is its number in the record, given once; 0 = none known.
    """

    name: str
    type: LogicalType
    abl_type: str = ""
    extent: int = 0
    mandatory: bool = False
    case_sensitive: bool = False
    sql_width: int | None = None
    order: int = 0
    label: str = ""
    description: str = ""
    format: str = ""
    place: int = field(default=0, compare=False)


@dataclass(frozen=True)
class SourceIndex:
    name: str
    columns: tuple[str, ...]
    unique: bool = False
    primary: bool = False
    active: bool = True
    word: bool = False


@dataclass(frozen=True)
class SourceTable:
    """A source table; columns in ORDER order. `dump_name` is the stem of its `.d` file."""

    name: str
    columns: tuple[SourceColumn, ...]
    indexes: tuple[SourceIndex, ...] = ()
    schema: str = "PUB"
    label: str = ""
    description: str = ""
    dump_name: str = ""
    extra: dict[str, str] = field(default_factory=dict, compare=False)

    def column(self, name: str) -> SourceColumn | None:
        """The column of that name, compared without case as OpenEdge does; None when absent."""
        wanted = name.lower()
        return next((c for c in self.columns if c.name.lower() == wanted), None)
