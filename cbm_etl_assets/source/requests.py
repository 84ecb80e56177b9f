"""The extract request on both sides: built by the parent, understood by the reader process.

Owns the names of its fields, in one place. No driver, no Arrow on the parent's side.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.types import Unstorable
from cbm_etl_assets.settings import SourceSettings
from cbm_etl_assets.source.dialects import SourceDialect
from cbm_etl_assets.source.messages import Message
from cbm_etl_assets.source.query import SelectQuery

if TYPE_CHECKING:
    from cbm_etl_assets.source.extraction import ExtractJob

_LIMITS = ("batch_cells", "batch_bytes", "text_bytes", "array_size", "login_timeout_seconds", "query_timeout_seconds")


def limits(settings: SourceSettings) -> Message:
    return {name: getattr(settings, name) for name in _LIMITS}


def extract_request(spec: TableSpec, query: SelectQuery, dialect: SourceDialect, settings: SourceSettings) -> Message:
    """Without `out_dir`, `part`, `first_cap`, `unstorable` and the connection string, which the caller adds."""
    return {
        "op": "extract", "spec": spec.model_dump(mode="json", exclude={"quality"}), "sql": query.sql, "parameters": list(query.parameters),
        "case_insensitive_keys": dialect.case_insensitive_keys, "zone": settings.timezone, **limits(settings),
    }  # fmt: skip


def extract_job(request: Message) -> ExtractJob:
    from cbm_etl_assets.source.extraction import ExtractJob
    from cbm_etl_assets.source.readers import ReadJob

    read = ReadJob(
        spec=TableSpec.model_validate(request["spec"]),
        sql=request["sql"],
        parameters=tuple(request["parameters"]),
        connection_string=request["connection_string"],
        **{name: request[name] for name in _LIMITS},
    )
    return ExtractJob(
        read=read,
        out_dir=Path(request["out_dir"]),
        part=request["part"],
        case_insensitive_keys=request["case_insensitive_keys"],
        zone=request["zone"],
        first_cap=request["first_cap"],
        unstorable=tuple(Unstorable(kind) for kind in request["unstorable"]),
    )
