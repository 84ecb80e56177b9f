"""Specs that the source's tests share."""

from __future__ import annotations

from cbm_etl_assets.metadata.spec import TableSpec


def client(**changes: object) -> TableSpec:
    fields: dict[str, object] = {
        "table": "client",
        "primary_key": ["cod_cli"],
        "columns": [
            {"name": "cod_cli", "type": "integer"},
            {"name": "gencod-v", "type": "varchar(30)", "sql_width": 30},
            {"name": "dat_mod", "type": "timestamp"},
            {"name": "dat_crt", "type": "timestamp"},
            {"name": "secret", "type": "varchar(10)", "exclude": True},
        ],
        "cursor": {"columns": ["dat_mod", "dat_crt"]},
    }
    return TableSpec.model_validate({**fields, **changes})


def hisprixa() -> TableSpec:
    return TableSpec.model_validate(
        {
            "table": "hisprixa",
            "columns": [
                {"name": "cod_fou", "type": "integer"},
                {"name": "dat_px", "type": "date"},
                {"name": "hr_mod", "type": "varchar(8)"},
            ],
            "cursor": {"columns": ["dat_px"], "precision": "date", "time_column": "hr_mod"},
        }
    )
