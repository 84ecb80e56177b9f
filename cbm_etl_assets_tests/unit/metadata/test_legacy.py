"""The old config.* tables, taken over."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cbm_etl_assets.errors import SpecError
from cbm_etl_assets.metadata.catalogue import SourceColumn, SourceTable
from cbm_etl_assets.metadata.legacy import import_legacy, read_rows
from cbm_etl_assets.metadata.spec import CursorPrecision, TableKind
from cbm_etl_assets.metadata.types import LogicalType

TYPES = {
    "cod_pro": "varchar(13)", "gencod-v": "varchar(20)", "dat_mod": "date", "dat_crt": "date", "hr_mod": "varchar(8)",
    "px": "decimal(17,2)",
}  # fmt: skip
PRODUIT = SourceTable("produit", tuple(SourceColumn(name, LogicalType.parse(kind)) for name, kind in TYPES.items()))
ROW: dict[str, Any] = {
    "TableName": "produit", "DestinationTable": "[ods].[Produit_A]", "PrimaryKeyCols": "cod_pro, gencod_v", "HasTimestamps": 1,
    "DateCreaCol": "dat_crt", "DateModifCol": "dat_mod", "DateModifPrecision": "date", "FilterClause": "WHERE \"cod-soc\" = 1",
    "LookbackInterval": "1d", "LastSuccessTs": None, "IsDimension": 1, "IsFact": 0,
}  # fmt: skip


def lookup(name: str) -> SourceTable | None:
    return PRODUIT if name.lower() == "produit" else None


def test_a_table_is_taken_over_with_its_meaning() -> None:
    columns: list[dict[str, Any]] = [
        {
            "TableName": "produit",
            "ColumnName": "gencod-v",
            "SqlName": "gencod_v",
            "SourceExpression": '"gencod-v" AS gencod_v',
            "IsExcluded": 0,
        },
        {
            "TableName": "produit",
            "ColumnName": "px",
            "SqlName": "prix",
            "SourceExpression": "px / 100 AS prix",
            "IsExcluded": "1",
            "Notes": "HT",
        },
        {"TableName": "produit", "ColumnName": "gone", "SqlName": "gone"},
    ]
    result = import_legacy([ROW], columns, lookup, [{"TableName": "produit", "DependsOn": "fournis"}])
    assert result.failed == {}
    spec = result.specs[0]
    assert (spec.name, spec.table, spec.kind) == ("Produit_A", "produit", TableKind.DIMENSION)
    assert spec.filter == '"cod-soc" = 1'
    assert spec.primary_key == ("cod_pro", "gencod-v")
    assert spec.cursor is not None
    assert (spec.cursor.columns, spec.cursor.precision, spec.cursor.time_column) == (("dat_mod", "dat_crt"), CursorPrecision.DATE, "hr_mod")
    assert spec.cursor.lookback == dt.timedelta(days=1)
    assert spec.depends_on == ("fournis",)
    price = spec.column("px")
    assert (price.exclude, price.target_name, price.description, price.type) == (True, "prix", "HT", "decimal(17,2)")
    assert [w.partition(": ")[2] for w in result.warnings] == [
        "SourceExpression of 'px' is not taken over: px / 100 AS prix",
        "columns of ETL_Columns that the source does not have: gone",
        "columns of the source that ETL_Columns does not have are included: cod_pro, dat_mod, dat_crt, hr_mod",
    ]


def test_a_short_lookback_on_local_time_is_raised_and_said() -> None:
    result = import_legacy([ROW | {"DateModifPrecision": "datetime", "LookbackInterval": "30m"}], [], lookup)
    assert result.specs[0].cursor is not None
    assert result.specs[0].cursor.lookback == dt.timedelta(hours=2)
    assert "LookbackInterval 30m becomes 2h" in result.warnings[0]


def test_without_timestamps_there_is_no_cursor_and_a_fact_is_a_fact() -> None:
    spec = import_legacy([ROW | {"HasTimestamps": "0", "IsDimension": "0", "IsFact": "1"}], [], lookup).specs[0]
    assert (spec.cursor, spec.kind) == (None, TableKind.FACT)


def test_one_source_table_feeds_several_targets() -> None:
    rows = [ROW | {"TableName": f"p{i}", "DestinationTable": "", "SourceTable": "produit", "FilterClause": f"soc = {i}"} for i in (1, 2)]
    result = import_legacy(rows, [], lookup, [{"TableName": "P2", "DependsOn": "p1"}])
    assert [(s.name, s.table, s.filter) for s in result.specs] == [("p1", "produit", "soc = 1"), ("p2", "produit", "soc = 2")]
    assert result.specs[1].depends_on == ("p1",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"TableName": "nope"}, "Table 'nope' is not in the source"),
        ({"PrimaryKeyCols": "no_such"}, "unknown column 'no_such'"),
        ({"LookbackInterval": "soon"}, "LookbackInterval 'soon' is not a duration. Known: 0d"),
    ],
)
def test_a_table_that_cannot_be_taken_over_does_not_stop_the_others(changes: dict[str, str], reason: str) -> None:
    result = import_legacy([ROW | changes, ROW], [], lookup)
    assert len(result.specs) == 1
    assert reason in next(iter(result.failed.values()))


@pytest.mark.parametrize(("delimiter", "codec"), [(",", "utf-8-sig"), (";", "cp1252"), ("\t", "utf-8")])
def test_csv_exports(tmp_path: Path, delimiter: str, codec: str) -> None:
    file = tmp_path / "t.csv"
    file.write_bytes(f'TableName{delimiter}Notes\r\nproduit{delimiter}"é{delimiter}\r\nb"\r\n'.encode(codec))
    assert read_rows(file) == [{"TableName": "produit", "Notes": f"é{delimiter}\r\nb"}]


def test_parquet_exports_and_missing_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"TableName": ["produit"], "HasTimestamps": [1]}), tmp_path / "t.parquet")
    assert read_rows(tmp_path / "t.parquet") == [{"TableName": "produit", "HasTimestamps": 1}]
    (tmp_path / "bad.parquet").write_bytes(b"no")
    for name in ("bad.parquet", "none.csv"):
        with pytest.raises(SpecError, match="cannot be read"):
            read_rows(tmp_path / name)
