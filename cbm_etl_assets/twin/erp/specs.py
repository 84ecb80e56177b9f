"""The packaged `tables/*.yaml` of the seven demo tables: proposed from the schema, then completed by hand here.

Regenerate after a change of the schema: `python -m cbm_etl_assets.twin.erp.specs --out cbm_etl_assets/tables`.
Owns what no catalogue knows (groups, owners, masks, rules, schedules); types, widths and keys come from `metadata.propose`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cbm_etl_assets.metadata.propose import notes, propose_spec
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.metadata.writer import spec_to_yaml
from cbm_etl_assets.settings import PACKAGE_DIR
from cbm_etl_assets.twin.erp.schema import BLUEPRINTS, blueprint, erp_table

PARTITION_START = "2026-01-01"  # fixed: rows dated before it belong to the first partition, so no start is ever wrong
HASH_TYPE = "varchar(64)"  # a SHA-256 in hexadecimal is longer than most columns it hides
_HEADER = ("Written by python -m cbm_etl_assets.twin.erp.specs: change it there.",)
_DAILY = {"cron": "0 2 * * *", "timezone": "Europe/Paris"}

COMPLETED: dict[str, dict[str, Any]] = {
    "client": {
        "group": "tiers", "priority": "critical", "owners": ["team:commerce"], "schedule": _DAILY, "tags": {"domaine": "ventes"},
    },
    "fournis": {
        "group": "tiers", "priority": "high", "owners": ["team:achats"], "schedule": _DAILY, "tags": {"domaine": "achats"},
    },
    "produit": {
        "group": "articles", "priority": "high", "owners": ["team:articles"], "schedule": _DAILY, "depends_on": ["fournis"],
        "tags": {"domaine": "articles"},
    },
    "stock": {
        "group": "articles", "priority": "high", "owners": ["team:logistique"], "schedule": {**_DAILY, "cron": "0 * * * *"},
        "kind": "fact", "depends_on": ["produit"], "freshness": {"warn": "2h", "fail": "6h"}, "tags": {"domaine": "logistique"},
    },
    "entetcli": {
        "group": "ventes", "priority": "critical", "owners": ["team:commerce"], "schedule": _DAILY, "kind": "fact",
        "depends_on": ["client"], "tags": {"domaine": "ventes"},
    },
    "lignecli": {
        "group": "ventes", "priority": "critical", "owners": ["team:commerce"], "schedule": {**_DAILY, "mode": "full"}, "kind": "fact",
        "depends_on": ["entetcli"], "tags": {"domaine": "ventes"},
    },
    "hisprixa": {
        "group": "achats", "priority": "normal", "owners": ["team:achats"], "schedule": _DAILY, "kind": "fact",
        "depends_on": ["fournis", "produit"], "tags": {"domaine": "achats"},
    },
}  # fmt: skip
# The ERP's own junk ('?', blanks, negative stocks) is what the warnings show in the demo; errors hold on its rows.
QUALITY: dict[str, list[dict[str, Any] | str]] = {
    "client": [
        {"not_null": ["nom_cli", "cod_pos"]},
        {"pattern": {"column": "cod_pos", "regex": r"\d{5}"}},
        {"allowed_values": {"column": "Group", "values": ["GC", "PME", "ART"]}},
        {"range": {"column": "tx_rem", "min": 0, "max": 100, "severity": "error"}},
        {"row_count": {"min": 1, "severity": "error"}},
        {"freshness": {"column": "dat_mod", "max_age": "7d", "days": ["mon", "tue", "wed", "thu", "fri", "sat"]}},
        "volume",
    ],
    "fournis": [
        {"not_null": ["nom_fou"]},
        {"allowed_values": {"column": "mult-fou", "values": ["O", "N"]}},
        {"range": {"column": "del_liv", "min": 0, "max": 365, "severity": "error"}},
        {"row_count": {"min": 1, "severity": "error"}},
    ],
    "produit": [
        {"not_null": ["nom_pro"]},
        {"pattern": {"column": "gencod-v", "regex": r"\d{13}"}},
        {"allowed_values": {"column": "famille", "values": ["VIS", "ÉCR", "PNE", "OUT", "CÂB"]}},
        {"range": {"column": "px_rvt", "min": 0, "severity": "error"}},
        {"foreign_key": {"columns": ["cod_fou"], "table": "fournis"}},
        "volume",
    ],
    "stock": [
        {"range": {"column": "qte_sto", "min": 0}},
        {"range": {"column": "qte_res", "min": 0, "severity": "error"}},
        {"foreign_key": {"columns": ["cod_pro"], "table": "produit"}},
    ],
    "entetcli": [
        {"allowed_values": {"column": "statut", "values": ["S", "P", "L", "F"]}},
        {"range": {"column": "Date", "min": "2000-01-01", "max": "today+30d", "severity": "error"}},
        {"unique": ["uniq_id"]},
        {"foreign_key": {"columns": ["cod_cli"], "table": "client"}},
        "volume",
    ],
    "lignecli": [
        {"not_null": ["no_cde", "cod_pro"]},
        {"range": {"column": "qte_cde", "min": 0, "severity": "error"}},
        {"expression": "px_net >= 0 OR qte_cde = 0"},
        {"foreign_key": {"columns": ["no_cde"], "table": "entetcli"}},
        "duplicate_keys",
        "volume",
    ],
    "hisprixa": [
        {"range": {"column": "px_ach", "min": 0, "severity": "error"}},
        {"range": {"column": "tx_rem", "min": 0, "max": 100, "severity": "error"}},
        {"foreign_key": {"columns": ["cod_fou"], "table": "fournis"}},
        {"foreign_key": {"columns": ["cod_pro"], "table": "produit"}},
    ],
}
MASKS: dict[str, dict[str, str]] = {"client": {"e_mail": "hash", "num_tel": "partial", "num_fax": "partial", "iban": "redact"}}


def erp_spec(table: str) -> TableSpec:
    """The spec as packaged. Raises: UnknownTableError."""
    plan = blueprint(table)
    proposed = propose_spec(erp_table(table)).model_dump()
    proposed["columns"] = [_masked(c, MASKS.get(table, {}).get(c["name"])) for c in proposed["columns"]]
    proposed |= {"primary_key": plan.key, "description": plan.description, "freshness": {"warn": "26h", "fail": "48h"}}
    proposed |= {"cursor": None, "partition": None, "quality": QUALITY[table], **COMPLETED[table]}
    if plan.modified:
        stamps = [c for c in (plan.modified, plan.created) if c]
        # The DATE cursors have no time of day: a day of lookback re-reads yesterday's late rows.
        proposed["cursor"] = {"columns": stamps, "precision": "date", "time_column": plan.clock, "lookback": "1d"}
        proposed["partition"] = {"grain": "day", "start": PARTITION_START}
    return TableSpec.model_validate(proposed)


def _masked(column: dict[str, Any], mask: str | None) -> dict[str, Any]:
    if mask == "hash":
        return {**column, "mask": mask, "type": HASH_TYPE, "source_type": column["type"]}
    return {**column, "mask": mask}


def erp_specs() -> tuple[TableSpec, ...]:
    return tuple(erp_spec(table) for table in BLUEPRINTS)


def write_specs(folder: Path) -> list[Path]:
    """One `<table>.yaml` each, replacing what is there."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for spec in erp_specs():
        path = folder / f"{spec.name}.yaml"
        reasons = (*_HEADER, *notes(erp_table(spec.table), null_columns=frozenset()))
        # No schema line: the packaged folder holds no copy of the JSON Schema that would have to be kept in step.
        path.write_text(spec_to_yaml(spec, reasons, schema=""), encoding="utf-8")
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cbm_etl_assets.twin.erp.specs", description="Write the demo tables' specs.")
    parser.add_argument("--out", type=Path, default=PACKAGE_DIR / "tables", help="folder of the YAML files (default: the package's own)")
    for path in write_specs(parser.parse_args(arguments).out):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
