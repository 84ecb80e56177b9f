"""Column facts of DuckDB tables: which type holds which, and a staged row's own modification time. Pure."""

from __future__ import annotations

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Kind, LogicalType
from cbm_etl_assets.warehouse.sql import Fragment, Statements

_WIDER = {
    "INTEGER": ("BIGINT", "DECIMAL", "DOUBLE", "VARCHAR"), "BIGINT": ("DECIMAL", "VARCHAR"), "DATE": ("TIMESTAMP",),
    "DECIMAL": ("DECIMAL",),
}  # fmt: skip

_WHOLE_DIGITS = {"INTEGER": 10, "BIGINT": 19}


def cursor_of(spec: TableSpec, statements: Statements) -> Fragment:
    """A staged row's own modification time: the greatest cursor column (DuckDB's greatest skips NULLs)."""
    if not spec.cursor:
        return Fragment("NULL::TIMESTAMP")
    columns = ", ".join(f"s.{statements.quote(spec.column(c).target_name)}::TIMESTAMP" for c in spec.cursor.columns)
    return Fragment(f"greatest({columns})")


def plain(text: str) -> str:
    return text.upper().replace(" ", "").replace("TIMESTAMPWITHTIMEZONE", "TIMESTAMPTZ")


def _decimal(text: str) -> tuple[int, int]:
    precision, scale = text[text.index("(") + 1 : -1].split(",")
    return int(precision), int(scale)


def is_wider(stored: str, kind: LogicalType, wanted: str) -> bool:
    """True when every value of the stored type is a value of the wanted one."""
    base = stored.split("(")[0].upper()
    if kind.kind is not Kind.DECIMAL:
        return wanted in _WIDER.get(base, ())
    digits, scale = _decimal(plain(wanted))
    if base == "DECIMAL":
        old_digits, old_scale = _decimal(plain(stored))
        return scale >= old_scale and digits - scale >= old_digits - old_scale
    whole = _WHOLE_DIGITS.get(base)
    return whole is not None and digits - scale >= whole


def is_wider_stored(stored: str, wanted: str) -> bool:
    """True when ODS already holds the wider type, so the spec's values fit as they are."""
    base = wanted.split("(")[0].upper()
    if stored.upper().startswith("DECIMAL") and base in _WHOLE_DIGITS:
        digits, scale = _decimal(plain(stored))
        return digits - scale >= _WHOLE_DIGITS[base]
    if base == "DECIMAL" and stored.upper().startswith("DECIMAL"):
        digits, scale = _decimal(plain(stored))
        new_digits, new_scale = _decimal(plain(wanted))
        return scale >= new_scale and digits - scale >= new_digits - new_scale
    return plain(stored) in _WIDER.get(base, ())
