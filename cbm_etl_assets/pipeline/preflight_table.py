"""Preflight of one table: catalogue against spec, key, cursor index, widths. Counted by the source, nothing extracted.

Owns the statements and their judgement.
"""

from __future__ import annotations

from collections.abc import Sequence

from cbm_etl_assets.errors import CbmError, SqlWidthError
from cbm_etl_assets.metadata.catalogue import SourceTable
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.metadata.sync import ChangeClass, ChangeKind, diff
from cbm_etl_assets.pipeline.platform import Platform
from cbm_etl_assets.pipeline.preflight import Check, CheckStatus, attempt, skipped
from cbm_etl_assets.source.dialects import SourceDialect, dialect
from cbm_etl_assets.warehouse.merging import refuse_what_does_not_fit

SAMPLE = 3
SHOWN = 6
# One scan answers for this many columns; more would near OpenEdge's 131,000 characters a statement.
WIDTH_COLUMNS = 200
WIDTH_REMEDY = "let the administrator run dbtool's SQL width fix on the table (or start the server with -SQLWidthUpdate ON, 12.2+)"


def check_table(platform: Platform, spec: TableSpec) -> list[Check]:
    try:
        table = platform.source.catalogue(spec.source_schema, spec.table)
    except CbmError as error:
        return [Check(f"catalogue {spec.name}", CheckStatus.FAIL, error.message, error.remedy)]
    catalogue = catalogue_check(spec, table)
    if catalogue.status is CheckStatus.FAIL:
        return [
            catalogue,
            skipped(f"key {spec.name}", "the spec does not fit the source"),
            skipped(f"widths {spec.name}", "the spec does not fit"),
        ]
    return [
        catalogue,
        attempt(f"limits {spec.name}", lambda: _limits(platform, spec)),
        attempt(f"key {spec.name}", lambda: key_check(platform, spec)),
        _cursor(spec, table),
        attempt(f"widths {spec.name}", lambda: _widths(platform, spec)),
    ]


def _limits(platform: Platform, spec: TableSpec) -> Check:
    """Names and columns the warehouse takes."""
    warehouse = platform.warehouse
    refuse_what_does_not_fit(spec, warehouse.capabilities, warehouse.name)
    return Check(f"limits {spec.name}", CheckStatus.OK, f"names and {len(spec.target_columns)} columns fit into {warehouse.name}")


def catalogue_check(spec: TableSpec, table: SourceTable) -> Check:
    name, remedy = f"catalogue {spec.name}", f"cbm-etl tables sync {spec.name} shows and applies the changes"
    kept = {c.name.lower() for c in spec.kept_columns}
    changes = [change for change in diff(spec, table) if change.kind is ChangeKind.ADDED or change.column.lower() in kept]
    # A kept column that went is `review` for the warehouse, but the next read names it and fails.
    stops = [c for c in changes if c.change_class is ChangeClass.BREAKING or c.kind in (ChangeKind.REMOVED, ChangeKind.RENAMED)]
    if stops:
        return Check(name, CheckStatus.FAIL, _listed([str(c) for c in stops]), remedy)
    look = [c for c in changes if c.change_class is ChangeClass.REVIEW or c.kind is ChangeKind.ADDED]
    if look:
        return Check(name, CheckStatus.WARN, _listed([str(c) for c in look]), remedy)
    return Check(name, CheckStatus.OK, f"{len(spec.columns)} columns fit")


def _listed(items: Sequence[str]) -> str:
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return "; ".join(items[:SHOWN]) + more


def key_check(platform: Platform, spec: TableSpec) -> Check:
    name = f"key {spec.name}"
    if not spec.primary_key:
        return Check(
            name,
            CheckStatus.WARN,
            "no key: every load is a full one, rows are matched as a multiset",
            "declare primary_key if there is one",
        )
    speech = dialect(platform.settings.source.dialect)
    keys = [speech.identifier(spec.column(k).name) for k in spec.primary_key]
    nulls = _first(platform, _select("COUNT(*) AS n", spec, speech, " OR ".join(f"{k} IS NULL" for k in keys)))
    if nulls:
        return Check(
            name,
            CheckStatus.FAIL,
            f"{nulls} rows have NULL in {', '.join(spec.primary_key)}",
            "choose a key without NULLs, or filter those rows",
        )
    listed = ", ".join(keys)
    grouped = " ".join(
        (_select(f"{speech.limit_prefix.format(n=SAMPLE)}{listed}, COUNT(*) AS n", spec, speech), "GROUP BY", listed, "HAVING COUNT(*) > 1")
    )
    found = platform.source.query(grouped + speech.limit_suffix.format(n=SAMPLE))
    if found.num_rows:
        values = "; ".join(", ".join(f"{v}" for v in list(row.values())[:-1]) for row in found.to_pylist())
        shown = "values are masked" if any(spec.column(k).mask for k in spec.primary_key) else f"first: {values}"
        return Check(
            name,
            CheckStatus.FAIL,
            f"{', '.join(spec.primary_key)} is not unique ({shown})",
            "choose a unique index of the source as primary_key",
        )
    return Check(name, CheckStatus.OK, f"{', '.join(spec.primary_key)}: unique, no NULL")


def _cursor(spec: TableSpec, table: SourceTable) -> Check:
    name = f"cursor {spec.name}"
    if spec.cursor is None:
        return Check(name, CheckStatus.OK, "no cursor: every load reads the whole table")
    leading = {index.columns[0].lower() for index in table.indexes if index.columns and index.active and not index.word}
    bare = [c for c in spec.cursor.columns if c.lower() not in leading]
    if bare:
        return Check(
            name, CheckStatus.WARN, f"no active index starts with {', '.join(bare)}: every incremental load scans the whole table",
            "ask for an index on it, or schedule full loads",
        )  # fmt: skip
    return Check(name, CheckStatus.OK, f"{', '.join(spec.cursor.columns)}: indexed")


def _widths(platform: Platform, spec: TableSpec) -> Check:
    name = f"widths {spec.name}"
    columns = [c for c in spec.kept_columns if c.sql_width and (c.source_logical.is_text or c.extent)]
    if not columns:
        return Check(name, CheckStatus.OK, "no column has a SQL width")
    speech = dialect(platform.settings.source.dialect)
    over: list[str] = []
    full: list[str] = []
    for start in range(0, len(columns), WIDTH_COLUMNS):
        chunk = columns[start : start + WIDTH_COLUMNS]
        try:
            longest = _longest(platform, spec, speech, chunk)
        except SqlWidthError as error:
            return Check(name, CheckStatus.FAIL, error.message, error.remedy or WIDTH_REMEDY)
        over += [f"{c.name} ({n} > {c.sql_width})" for c, n in zip(chunk, longest, strict=True) if n > (c.sql_width or 0)]
        full += [f"{c.name} ({n})" for c, n in zip(chunk, longest, strict=True) if n == c.sql_width]
    if over:
        return Check(name, CheckStatus.FAIL, f"values wider than their SQL width, reading them fails: {_listed(over)}", WIDTH_REMEDY)
    if full:
        return Check(name, CheckStatus.WARN, f"values exactly as long as the SQL width may have been cut: {_listed(full)}", WIDTH_REMEDY)
    return Check(name, CheckStatus.OK, f"{len(columns)} text columns within their SQL width")


def _longest(platform: Platform, spec: TableSpec, speech: SourceDialect, columns: Sequence[ColumnSpec]) -> list[int]:
    terms = ", ".join(f"MAX(LENGTH({speech.identifier(c.name)})) AS c{i}" for i, c in enumerate(columns))
    row = platform.source.query(_select(terms, spec, speech)).to_pylist()[0]
    return [int(value or 0) for value in row.values()]


def _select(what: str, spec: TableSpec, speech: SourceDialect, where: str = "") -> str:
    predicates = [f"({p})" for p in (spec.filter, where) if p]
    tail = ("WHERE", " AND ".join(predicates)) if predicates else ()
    return " ".join(("SELECT", what, "FROM", speech.table(spec.source_schema, spec.table), *tail))


def _first(platform: Platform, sql: str) -> int:
    return int(next(iter(platform.source.query(sql).to_pylist()[0].values())) or 0)
