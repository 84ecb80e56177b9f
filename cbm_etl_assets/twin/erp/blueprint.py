"""The form of a table's blueprint: named columns with their recipe, and the indexes.

Owns the small vocabulary the `tables_*` modules are written in. Anonymous columns that fill a table up to its
profile are added by `fillers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from cbm_etl_assets.metadata.abl import logical_type
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceIndex
from cbm_etl_assets.metadata.types import Kind, LogicalType
from cbm_etl_assets.twin.erp.recipes import Recipe


class Fill(StrEnum):
    VARIED = "varied"  # never NULL, more than one value
    PARTLY = "partly"  # some NULL
    CONSTANT = "constant"  # never NULL, one value
    EMPTY = "empty"  # all NULL


_ABL: dict[str, tuple[str, Kind]] = {
    "char": ("character", Kind.VARCHAR), "int": ("integer", Kind.INTEGER), "int64": ("int64", Kind.BIGINT),
    "dec": ("decimal", Kind.DECIMAL), "log": ("logical", Kind.BOOLEAN), "date": ("date", Kind.DATE),
    "datetime": ("datetime", Kind.TIMESTAMP),
}  # fmt: skip
_FORMATS: dict[str, str] = {
    "integer": "->>>>>>9", "int64": "->>>>>>>>>>>>9", "logical": "oui/non", "date": "99/99/9999", "datetime": "99/99/9999 HH:MM:SS.SSS",
}  # fmt: skip


@dataclass(frozen=True)
class Col:
    """`type`: char(width), int, int64, dec(precision,scale), log, date, datetime. `width` = SQL width of an extent."""

    name: str
    type: str
    recipe: Recipe
    label: str = ""
    fill: Fill = Fill.VARIED
    extent: int = 0
    width: int = 0
    mandatory: bool = False

    @property
    def profile_type(self) -> str:
        """The word of `profile.json`: an extent arrives as text."""
        word = _ABL[self._words[0]][0]
        return "character" if self.extent else {"int64": "integer"}.get(word, word)

    @property
    def _words(self) -> tuple[str, int, int]:
        word, _, arguments = self.type.rstrip(")").partition("(")
        first, _, second = arguments.partition(",")
        return word, int(first or 0), int(second or 0)

    def source_column(self, order: int) -> SourceColumn:
        word, first, second = self._words
        abl, kind = _ABL[word]
        logical = LogicalType(kind)
        if self.extent:
            # What a live catalogue can say of an array: it knows the width of the joined text, not of one element.
            logical = logical_type(abl, self.width, second, self.extent)
        elif kind is Kind.VARCHAR:
            logical = LogicalType(kind, width=first)
        elif kind is Kind.DECIMAL:
            logical = LogicalType(kind, precision=first, scale=second)
        width = self.width if self.extent else (first if kind is Kind.VARCHAR else None)
        form = _FORMATS.get(abl) or (f"x({first})" if kind is Kind.VARCHAR else f"->>>>>>>>9.{'9' * second}")
        return SourceColumn(
            name=self.name, type=logical, abl_type=abl, extent=self.extent, mandatory=self.mandatory, sql_width=width,
            order=order, label=self.label, format=form,
        )  # fmt: skip


@dataclass(frozen=True)
class Blueprint:
    """One table. `changes`: business columns a mutation may change; `clock`: the column with the time of day of dat_mod."""

    name: str
    label: str
    description: str
    columns: tuple[Col, ...]
    indexes: tuple[SourceIndex, ...]
    key: tuple[str, ...]
    changes: tuple[str, ...]
    modified: str | None = "dat_mod"
    created: str | None = "dat_crt"
    clock: str | None = None
    extra: dict[str, str] = field(default_factory=dict)
