"""`config.ETL_Tables`, `ETL_Columns` and `ETL_Dependencies` of the old pipeline -> TableSpecs.

Owns the meaning of the old columns. Types come from the source's catalogue (`lookup`). A table that cannot be taken over
is reported with the reason, and the others are taken all the same.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbm_etl_assets.errors import CbmError, SpecError
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.naming import sql_safe
from cbm_etl_assets.metadata.propose import propose_spec
from cbm_etl_assets.metadata.spec import TableSpec, parse_duration

Row = Mapping[str, Any]
Lookup = Callable[[str], SourceTable | None]
SHORTEST_LOOKBACK = dt.timedelta(hours=2)  # naive local stamps repeat one hour every autumn
_TRUE = frozenset({"1", "true", "yes", "y", "oui", "vrai"})
_WHERE = re.compile(r"^\s*where\b\s*", re.IGNORECASE)
_PLAIN_EXPRESSION = re.compile(r'\s*(?:\w+\.)?"?[^"()+*/|,]+"?(?:\s+AS\s+"?\w+"?)?\s*', re.IGNORECASE)


@dataclass(frozen=True)
class LegacyImport:
    """`failed` holds the reason by table name; `warnings` what was left out of the tables taken over."""

    specs: tuple[TableSpec, ...]
    warnings: tuple[str, ...]
    failed: dict[str, str]


def import_legacy(tables: Iterable[Row], columns: Iterable[Row], lookup: Lookup, dependencies: Iterable[Row] = ()) -> LegacyImport:
    """One spec for each row of ETL_Tables; names of fields are compared without case.

    `lookup` gives the source table of a name, None when there is none. A configuration whose name is not the source's
    (several targets of one table, told apart by FilterClause) names it in an extra column SourceTable.
    """
    by_table: dict[str, list[dict[str, str]]] = {}
    for row in columns:
        fields = _fields(row)
        by_table.setdefault(fields.get("tablename", "").lower(), []).append(fields)
    needs: dict[str, list[str]] = {}
    for row in dependencies:
        fields = _fields(row)
        needs.setdefault(fields.get("tablename", "").lower(), []).append(fields.get("dependson", ""))
    specs, warnings, failed = [], list[str](), dict[str, str]()
    rows = [_fields(row) for row in tables]
    targets = {fields.get("tablename", "").lower(): _target(fields) for fields in rows}
    for fields in rows:
        name = fields.get("tablename", "")
        try:
            wanted = [targets.get(n.lower(), sql_safe(n)) for n in needs.get(name.lower(), ()) if n]
            specs.append(_Table(fields, by_table.get(name.lower(), []), wanted, warnings).spec(lookup))
        except (CbmError, ValueError) as error:
            failed[name] = str(error)
    return LegacyImport(tuple(specs), tuple(warnings), failed)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a CSV (comma, semicolon or tab; UTF-8 or 1252) or Parquet export. Raises: SpecError when it cannot be read."""
    try:
        if path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            return list(pq.read_table(path).to_pylist())
        raw = path.read_bytes()
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read: {error}", remedy="export the table as CSV or Parquet") from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def _fields(row: Row) -> dict[str, str]:
    """Lower-case names and stripped texts; NULL and 'NULL' are ''."""
    texts = {str(k).strip().lower(): "" if v is None else str(v).strip() for k, v in row.items()}
    return {name: "" if text.upper() == "NULL" else text for name, text in texts.items()}


def _target(fields: Mapping[str, str]) -> str:
    """'[ods].[Client]' -> 'Client': the schema is the platform's."""
    last = fields.get("destinationtable", "").split(".")[-1].strip('[]" ')
    return sql_safe(last or fields.get("tablename", ""))


class _Table:
    def __init__(self, fields: Mapping[str, str], columns: list[dict[str, str]], depends_on: list[str], warnings: list[str]) -> None:
        self.fields = fields
        self.name = fields.get("tablename", "")
        self.columns = {c.get("columnname", "").lower(): c for c in columns}
        self.depends_on = depends_on
        self._warnings = warnings

    def spec(self, lookup: Lookup) -> TableSpec:
        if not self.name:
            raise SpecError("a row of ETL_Tables has no TableName")
        source_name = self.fields.get("sourcetable") or self.name
        source = lookup(source_name)
        if source is None:
            raise SpecError(
                f"Table '{source_name}' is not in the source.", remedy="name the source table in an extra column SourceTable of the export"
            )
        proposed = propose_spec(source).model_dump(exclude_defaults=True)
        columns = [self._column(column) for column in proposed["columns"]]
        self._report_strangers(source)
        fields: dict[str, Any] = {
            **proposed, "target": _target(self.fields), "columns": columns,
            "filter": _WHERE.sub("", self.fields.get("filterclause", "")) or None,
            "kind": "fact" if self._is_true("isfact") and not self._is_true("isdimension") else "dimension",
            "primary_key": [self._source_name(k, source) for k in _list(self.fields.get("primarykeycols", ""))],
            "cursor": self._cursor(source), "depends_on": self.depends_on,
        }  # fmt: skip
        if fields["target"] == sql_safe(source.name):
            del fields["target"]
        if self.fields.get("lastsuccessts"):
            self._warn(f"LastSuccessTs {self.fields['lastsuccessts']} is not taken over: the first load is a full one")
        return TableSpec.model_validate(fields)

    def _warn(self, text: str) -> None:
        self._warnings.append(f"table '{self.name}': {text}")

    def _is_true(self, field: str) -> bool:
        return self.fields.get(field, "").lower() in _TRUE

    def _column(self, proposed: dict[str, Any]) -> dict[str, Any]:
        row = self.columns.get(proposed["name"].lower())
        if row is None:
            return proposed
        result = dict(proposed)
        if row.get("isexcluded", "").lower() in _TRUE:
            result["exclude"] = True
        if row.get("sqlname") and row["sqlname"] != sql_safe(proposed["name"]):
            result["target"] = sql_safe(row["sqlname"])
        if row.get("notes"):
            result["description"] = row["notes"]
        expression = row.get("sourceexpression", "")
        if expression and not _PLAIN_EXPRESSION.fullmatch(expression):
            self._warn(f"SourceExpression of '{proposed['name']}' is not taken over: {expression}")
        return result

    def _report_strangers(self, source: SourceTable) -> None:
        gone = [row.get("columnname", "") for key, row in self.columns.items() if source.column(key) is None]
        if gone:
            self._warn(f"columns of ETL_Columns that the source does not have: {', '.join(gone)}")
        new = [c.name for c in source.columns if self.columns and c.name.lower() not in self.columns]
        if new:
            self._warn(f"columns of the source that ETL_Columns does not have are included: {', '.join(new)}")

    def _source_name(self, name: str, source: SourceTable) -> str:
        """A key or cursor may be written by its source name or by its SqlName."""
        column = source.column(name)
        if column is not None:
            return column.name
        by_sql_name = [r.get("columnname", "") for r in self.columns.values() if r.get("sqlname", "").lower() == name.lower()]
        by_safe_name = [c.name for c in source.columns if sql_safe(c.name).lower() == name.lower()]
        return (by_sql_name + by_safe_name + [name])[0]

    def _cursor(self, source: SourceTable) -> dict[str, Any] | None:
        names = [self.fields.get(field, "") for field in ("datemodifcol", "datecreacol")]
        columns = list(dict.fromkeys(self._source_name(name, source) for name in names if name))
        if not columns or not self._is_true("hastimestamps"):
            return None
        precision = self.fields.get("datemodifprecision", "").lower() or "datetime"
        lookback = parse_duration(self.fields.get("lookbackinterval") or "2h")
        if not isinstance(lookback, dt.timedelta):
            raise SpecError(f"LookbackInterval '{lookback}' is not a duration. Known: 0d, 1d, 12h, 30m.")
        if precision == "datetime" and lookback < SHORTEST_LOOKBACK:
            self._warn(f"LookbackInterval {self.fields.get('lookbackinterval')} becomes 2h: local time repeats an hour every autumn")
            lookback = SHORTEST_LOOKBACK
        proposed = propose_spec(source).cursor
        clock = proposed.time_column if proposed and precision == "date" else None
        return {"columns": columns, "precision": precision, "lookback": lookback, "time_column": clock}


def _list(text: str) -> list[str]:
    return [part.strip().strip('[]"') for part in text.split(",") if part.strip()]
