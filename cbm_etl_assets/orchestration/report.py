"""What a load shows in Dagster: metadata of the three layers, the preview, the column schema. Pure.

Numbers are plain ints and floats, so that the UI plots them over time.
"""

import dagster as dg

from cbm_etl_assets.metadata.naming import TECHNICAL_COLUMNS
from cbm_etl_assets.metadata.spec import ColumnSpec, TableSpec
from cbm_etl_assets.pipeline.results import LoadResult, Mode
from cbm_etl_assets.warehouse.port import Outcome

Metadata = dict[str, dg.MetadataValue | str | int | float]

PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 30  # A produit row has 600 columns: the whole would be 100 kB an event.
PREVIEW_CHARS = 40
OUTCOMES = tuple(Outcome.__dataclass_fields__)


def layer_metadata(results: list[LoadResult]) -> dict[str, Metadata]:
    """Metadata of raw, stg and ods over the loads of one step (one a run of adjacent partitions)."""
    last = results[-1]
    read = sum(r.outcome.read for r in results)
    total = sum(r.seconds.total for r in results)
    common: Metadata = {
        "mode": str(last.mode),
        "rows_read": read,
        "bytes": sum(r.bytes for r in results),
        "seconds_total": round(total, 3),
        "rows_per_second": round(read / total, 1) if total > 0 else 0.0,
        "loads": len(results),
        "seq": last.seq,
    }
    _add_times(common, last)
    return {
        "raw": {**common, **_raw(results), "dagster/row_count": read},
        "stg": {**common, **_staging(results), **_preview(last), "dagster/row_count": read},
        "ods": {**common, **_ods(results), **_preview(last)},
    }


def _add_times(metadata: Metadata, result: LoadResult) -> None:
    for name in ("t0", "high_water", "watermark"):
        if (moment := getattr(result, name)) is not None:
            metadata[name] = moment.isoformat(sep=" ")


def _raw(results: list[LoadResult]) -> Metadata:
    last = results[-1]
    return {
        "seconds_extract": round(sum(r.seconds.extract for r in results), 3),
        "files": sum(r.files for r in results),
        "attempts": sum(r.attempts for r in results),
        "raw_path": dg.MetadataValue.path(last.raw_path),
        "query": dg.MetadataValue.md(f"```sql\n{last.query}\n```"),
    }


def _staging(results: list[LoadResult]) -> Metadata:
    cleaned: dict[str, int] = {}
    for result in results:
        for column, count in result.cleaned.items():
            cleaned[column] = cleaned.get(column, 0) + count
    metadata: Metadata = {
        "seconds_transform": round(sum(r.seconds.transform for r in results), 3),
        "seconds_load": round(sum(r.seconds.load for r in results), 3),
        "values_cleaned": sum(cleaned.values()),
    }
    if cleaned:
        metadata["cleaned_by_column"] = dg.MetadataValue.json(cleaned)
    return metadata


def _ods(results: list[LoadResult]) -> Metadata:
    metadata: Metadata = {f"rows_{name}": sum(getattr(r.outcome, name) for r in results) for name in OUTCOMES}
    metadata["seconds_merge"] = round(sum(r.seconds.merge for r in results), 3)
    full = results[-1].outcome
    if results[-1].mode is Mode.FULL:
        # Only a full load knows the size of the table.
        metadata["dagster/row_count"] = full.inserted + full.updated + full.unchanged + full.superseded + full.resurrected
    return metadata


def partition_metadata(result: LoadResult) -> Metadata:
    """What one partition of a multi-partition run gets: the numbers of the load that covered it."""
    keys = result.partitions
    return {
        "covered_by": keys[0] if len(keys) == 1 else f"{keys[0]}..{keys[-1]}",
        "rows_read_by_load": result.outcome.read,
        "rows_changed_by_load": result.outcome.inserted + result.outcome.updated + result.outcome.resurrected,
        "load_seq": result.seq,
    }


def _preview(result: LoadResult) -> Metadata:
    if not result.preview_columns:
        return {}
    names = result.preview_columns[:PREVIEW_COLUMNS]
    lines = ["| " + " | ".join(_cell(n) for n in names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(v) for v in row[: len(names)]) + " |" for row in result.preview_rows[:PREVIEW_ROWS]]
    if hidden := len(result.preview_columns) - len(names):
        lines += ["", f"and {hidden} more columns"]
    return {"preview": dg.MetadataValue.md("\n".join(lines))}


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    text = " ".join(str(value).split())
    text = text if len(text) <= PREVIEW_CHARS else text[: PREVIEW_CHARS - 1] + "…"
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("`", "&#96;")):
        text = text.replace(character, escaped)
    return text


# --- static ------------------------------------------------------------------------------------------------------------


def column_schema(spec: TableSpec, layer: str) -> dg.TableSchema:
    """Columns with the labels of the dump: the source's own names in raw, the SQL-safe ones in staging and ODS."""
    if layer == "raw":
        columns = [_table_column(c.name, str(c.source_logical), c, spec) for c in spec.kept_columns]
    else:
        columns = [_table_column(name, str(c.logical), c, spec) for c in spec.kept_columns for name in c.target_names]
    if layer == "ods":
        columns += [dg.TableColumn(name, type="technical") for name in TECHNICAL_COLUMNS]
    return dg.TableSchema(columns=columns)


def _table_column(name: str, kind: str, column: ColumnSpec, spec: TableSpec) -> dg.TableColumn:
    words = [column.label, column.description, f"masked: {column.mask}" if column.mask else ""]
    is_key = column.name.lower() in {k.lower() for k in spec.primary_key}
    constraints = dg.TableColumnConstraints(
        nullable=column.nullable and not is_key, unique=is_key and len(spec.primary_key) == 1, other=["primary key"] if is_key else []
    )
    return dg.TableColumn(name, type=kind, description=" · ".join(w for w in words if w) or None, constraints=constraints)
