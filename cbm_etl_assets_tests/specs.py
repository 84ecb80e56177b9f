"""Small specs that tests of several rooms share."""

from __future__ import annotations

from typing import Any

from cbm_etl_assets.metadata.spec import TableSpec


def make_spec(**changes: Any) -> TableSpec:
    """`client`: a bigint key, a datetime cursor, two text columns; any field may be replaced."""
    fields: dict[str, Any] = {
        "table": "client",
        "primary_key": ["cod_cli"],
        "cursor": {"columns": ["dat_mod"], "lookback": "0d"},
        "columns": [
            {"name": "cod_cli", "type": "bigint"},
            {"name": "dat_mod", "type": "timestamp"},
            {"name": "nom", "type": "varchar(40)"},
            {"name": "gencod-v", "type": "varchar(20)"},
        ],
    }
    return TableSpec.model_validate(fields | changes)
