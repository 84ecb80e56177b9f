"""The schema of the ERP as the source's catalogue would tell it.

Owns the list of tables and their assembly from blueprint and fillers. Data comes from `generate`.
"""

from __future__ import annotations

from functools import cache

from cbm_etl_assets.errors import UnknownTableError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.twin.erp.blueprint import Blueprint, Col
from cbm_etl_assets.twin.erp.fillers import fill_up
from cbm_etl_assets.twin.erp.profile import profile_of
from cbm_etl_assets.twin.erp.tables_base import CLIENT, FOURNIS, PRODUIT, STOCK
from cbm_etl_assets.twin.erp.tables_trade import ENTETCLI, HISPRIXA, LIGNECLI

# Parents before children, so that a load in this order never shows a dangling reference.
BLUEPRINTS: dict[str, Blueprint] = {b.name: b for b in (CLIENT, FOURNIS, PRODUIT, HISPRIXA, ENTETCLI, LIGNECLI, STOCK)}


def blueprint(table: str) -> Blueprint:
    """Raises: UnknownTableError."""
    if table not in BLUEPRINTS:
        raise UnknownTableError(table, BLUEPRINTS)
    return BLUEPRINTS[table]


@cache
def planned(table: str) -> tuple[tuple[Col, SourceColumn], ...]:
    """Every column of a table with its recipe, in ORDER order (steps of 10, as the Data Dictionary numbers them)."""
    columns = fill_up(table, blueprint(table).columns, profile_of(table))
    return tuple((column, column.source_column(10 * i)) for i, column in enumerate(columns, start=1))


@cache
def erp_table(table: str) -> SourceTable:
    """Raises: UnknownTableError."""
    plan = blueprint(table)
    return SourceTable(
        name=table,
        columns=tuple(column for _, column in planned(table)),
        indexes=plan.indexes,
        label=plan.label,
        description=plan.description,
        dump_name=table,
    )


def erp_tables() -> tuple[SourceTable, ...]:
    """The seven tables, parents first."""
    return tuple(erp_table(name) for name in BLUEPRINTS)
