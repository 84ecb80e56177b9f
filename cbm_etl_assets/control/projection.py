"""The specs as rows of config.ETL_Tables, ETL_Columns and ETL_Dependencies, under the old pipeline's names.

Owns the translation and the comparison. The YAML files are the one truth: nothing reads these tables to load data.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from cbm_etl_assets.control.database import Database, Row, Session
from cbm_etl_assets.control.quality import declare
from cbm_etl_assets.control.sql import statement
from cbm_etl_assets.errors import ControlError, TransientControlError
from cbm_etl_assets.metadata.spec import ColumnSpec, TableKind, TableSpec

T = TypeVar("T")


def project(database: Database, specs: Sequence[TableSpec], default_sla_hours: float) -> int:
    """Make the projections equal to `specs` (the whole catalogue: tables that are not in it disappear). Returns tables written.

    A table whose spec did not change costs no write: seven tables of up to 600 columns are 2,000 rows.
    """
    written = _once_more(lambda: _project(database, specs, default_sla_hours))
    _once_more(lambda: _project_sla(database, specs, default_sla_hours))
    _once_more(lambda: declare(database, specs))
    return written


def _once_more(write: Callable[[], T]) -> T:
    """Of processes that start together one inserts first and the others are refused: the second time they find its rows."""
    try:
        return write()
    except (ControlError, TransientControlError):
        return write()


def _project(database: Database, specs: Sequence[TableSpec], default_sla_hours: float) -> int:
    wanted = {spec.name: _spec_hash(spec, sla_hours(spec, default_sla_hours)) for spec in specs}
    known = {str(row["TableName"]): str(row["SpecHash"]) for row in database.read(statement("specs_read"))}
    changed = [spec for spec in specs if known.get(spec.name) != wanted[spec.name]]
    gone = [name for name in known if name not in wanted]
    if changed or gone:
        with database.transaction() as session:
            for name in gone:
                _forget(session, name)
            for spec in changed:
                _write(
                    session,
                    spec,
                    {"sla_hours": sla_hours(spec, default_sla_hours), "spec_hash": wanted[spec.name]},
                    name_known=spec.name in known,
                )
    return len(changed) + len(gone)


def sla_hours(spec: TableSpec, default: float) -> float:
    """The spec's own `freshness.fail` where it is written, else the setting CBM_LOAD__SLA_HOURS."""
    return spec.freshness.fail.total_seconds() / 3600 if "freshness" in spec.model_fields_set else default


def spell_duration(value: dt.timedelta) -> str:
    """The spelling of LookbackInterval: '0d', '1d', '12h', '30m'."""
    minutes = round(value.total_seconds() / 60)
    if minutes % 1440 == 0:
        return f"{minutes // 1440}d"
    return f"{minutes // 60}h" if minutes % 60 == 0 else f"{minutes}m"


def _spec_hash(spec: TableSpec, hours: float) -> str:
    return hashlib.sha256(f"{hours}|{spec.model_dump_json()}".encode()).hexdigest()


def _forget(session: Session, table: str) -> None:
    for name in ("spec_columns_delete", "spec_dependencies_delete", "spec_delete"):
        session.execute(statement(name), {"table_name": table})


def _write(session: Session, spec: TableSpec, extra: Row, *, name_known: bool) -> None:
    session.execute(statement("spec_update" if name_known else "spec_insert"), {**_table_row(spec), **extra})
    table: Row = {"table_name": spec.name}
    session.execute(statement("spec_columns_delete"), table)
    session.execute(statement("spec_dependencies_delete"), table)
    session.execute_many(statement("spec_column_insert"), [_column_row(spec, i, c) for i, c in enumerate(spec.columns, start=1)])
    needs: list[Row] = [{**table, "depends_on": other} for other in dict.fromkeys(spec.depends_on)]
    session.execute_many(statement("spec_dependency_insert"), needs)


def _table_row(spec: TableSpec) -> Row:
    cursor = spec.cursor
    columns = cursor.columns if cursor else ()
    return {
        "table_name": spec.name,
        "destination": f"ods.{spec.name}",
        "primary_key": ",".join(spec.primary_key),
        "has_timestamps": int(cursor is not None),
        # The old pipeline had one modification and one creation column; a spec's cursor lists them in that order.
        "date_modified": columns[0] if columns else None,
        "date_created": columns[1] if len(columns) > 1 else None,
        "precision": str(cursor.precision) if cursor else None,
        "filter": spec.filter,
        "lookback": spell_duration(cursor.lookback) if cursor else None,
        "is_dimension": int(spec.kind is TableKind.DIMENSION),
        "is_fact": int(spec.kind is TableKind.FACT),
        "source_schema": spec.source_schema,
        "source_table": spec.table,
        "table_group": spec.group,
        "priority": str(spec.priority),
        "owners": ",".join(spec.owners),
        "grain": str(spec.partition.grain) if spec.partition else None,
        "cron": spec.schedule.cron if spec.schedule else None,
        "timezone": spec.schedule.timezone if spec.schedule else None,
    }


def _column_row(spec: TableSpec, ordinal: int, column: ColumnSpec) -> Row:
    quoted = column.name.replace('"', '""')
    keys = {key.lower() for key in spec.primary_key}
    return {
        "table_name": spec.name, "column_name": column.name, "sql_name": column.target_name,
        "expression": f'"{quoted}" AS {column.target_name}', "is_excluded": int(column.exclude),
        "notes": column.description or column.label, "ordinal": ordinal, "data_type": column.type, "extent": column.extent,
        "mask": str(column.mask) if column.mask else None, "is_key": int(column.name.lower() in keys),
    }  # fmt: skip


def _project_sla(database: Database, specs: Sequence[TableSpec], default: float) -> None:
    wanted = {spec.name: (str(spec.priority), float(sla_hours(spec, default))) for spec in specs}
    known = {str(r["TableName"]): (str(r["Priority"]), float(str(r["SlaHours"]))) for r in database.read(statement("sla_read"))}
    if wanted == known:
        return
    with database.transaction() as session:
        for name in known:
            session.execute(statement("sla_delete"), {"table_name": name})
        rows: list[Row] = [{"table_name": name, "priority": p, "sla_hours": h} for name, (p, h) in wanted.items()]
        session.execute_many(statement("sla_insert"), rows)
