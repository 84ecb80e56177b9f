"""Real OpenEdge dumps through the whole line: twin, ODBC, raw Parquet, staging, ODS. Every value is the dumped one.

Expected values come from `plain_dump`, ODS is read by a DuckDB connection of the test's own.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cbm_etl_assets.metadata.catalog import load_catalog
from cbm_etl_assets.metadata.propose import KeyBasis
from cbm_etl_assets.metadata.writer import ImportReport, import_df
from cbm_etl_assets.pipeline.batch import load_tables
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.platform import Platform, open_platform
from cbm_etl_assets.pipeline.results import LoadOptions, LoadResult, Mode
from cbm_etl_assets.settings import Settings, SourceSettings
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.twin.load import load_dump_folder_into_twin
from cbm_etl_assets_tests.integration.plain_dump import PlainTable, Row, read_plainly
from cbm_etl_assets_tests.twin_fixture import drop_all
from cbm_etl_assets_tests.unit.metadata.dumps import ROOT, needs_real_dumps

pytestmark = [pytest.mark.integration, needs_real_dumps]
OVER_WIDE = "XL_Project"
TECHNICAL = ("_key_hash", "_hashdiff", "_load_seq", "_extracted_at", "_updated_at", "_run_id")


@dataclass(frozen=True)
class Replica:
    """One dumped database, replicated. `results` are those of the first load, by table."""

    platform: Platform
    expected: dict[str, PlainTable]
    imported: ImportReport
    results: dict[str, LoadResult]

    def query(self, sql: str) -> list[Row]:
        with duckdb.connect(str(self.platform.settings.warehouse_path), read_only=True) as conn:
            return conn.execute(sql).fetchall()

    def rows(self, table: str, names: tuple[str, ...] | list[str]) -> list[Row]:
        listed = ", ".join(f'"{name}"' for name in names)
        return self.query(f'SELECT {listed} FROM ods."{table}" WHERE NOT _is_deleted')

    def load(self) -> dict[str, LoadResult]:
        done = load_tables(self.platform, list(self.platform.catalog.values()), LoadOptions(Mode.FULL), threads=2)
        return {result.table: result for result in done}


def replicate(twin: TwinHandle, df: Path, home: Path) -> Replica:
    load_dump_folder_into_twin(twin, df.parent)
    imported = import_df(df, home / "tables")
    source = SourceSettings.model_validate({"connection_string": twin.odbc})
    platform = open_platform(Settings(home=home, source=source), load_catalog(home / "tables"))
    replica = Replica(platform, {t.ods_name: t for t in read_plainly(df)}, imported, {})
    replica.results.update(replica.load())
    return replica


@pytest.fixture(scope="module")
def sports(twin: TwinHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    replica = replicate(twin, ROOT / "sports2000" / "sports2000.df", tmp_path_factory.mktemp("sports2000"))
    try:
        yield replica
    finally:
        replica.platform.close()
        drop_all(twin)


@pytest.fixture(scope="module")
def xlate(twin: TwinHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    home = tmp_path_factory.mktemp("xlatedb")
    (home / "dump").mkdir()
    for file in [ROOT / "pct" / "xlatedb.df", *(ROOT / "pct").glob("xl_*.d")]:  # the folder's other schema is that of sports2000
        shutil.copyfile(file, home / "dump" / file.name)
    replica = replicate(twin, home / "dump" / "xlatedb.df", home)
    try:
        yield replica
    finally:
        replica.platform.close()
        drop_all(twin)


def exact(row: Row) -> Row:
    """With the types, because 1, True and Decimal(1) are equal in Python and not in a warehouse."""
    return tuple((type(value), value) for value in row)


def differences(replica: Replica, table: PlainTable) -> list[tuple[str, Row]]:
    found, wanted = Counter(map(exact, replica.rows(table.ods_name, table.names))), Counter(map(exact, table.rows))
    return [("missing", row) for row in (wanted - found).elements()] + [("extra", row) for row in (found - wanted).elements()]


def assert_equal(replica: Replica, table: PlainTable) -> None:
    assert replica.results[table.ods_name].error_message == ""
    assert differences(replica, table)[:3] == [], table.ods_name
    assert replica.query(f'SELECT count(*) FROM ods."{table.ods_name}"') == [(len(table.rows),)]
    outcome = replica.results[table.ods_name].outcome
    assert (outcome.read, outcome.inserted, outcome.accounted) == (len(table.rows),) * 3, table.ods_name


def dumped(replica: Replica) -> list[PlainTable]:
    return [table for table in replica.expected.values() if table.is_dumped]


def test_all_tables_of_sports2000_are_equal_value_for_value(sports: Replica) -> None:
    assert (len(dumped(sports)), sum(len(t.rows) for t in dumped(sports)), len(sports.results)) == (23, 8_910, 26)
    for table in sports.expected.values():
        assert_equal(sports, table)


def test_the_columns_of_ods_are_those_of_the_schema_in_its_order(sports: Replica) -> None:
    for table in sports.expected.values():
        found = [row[0] for row in sports.query(f"SELECT name FROM pragma_table_info('ods.{table.ods_name}') ORDER BY cid")]
        assert [name for name in found if not name.startswith("_")] == table.names


def test_the_values_a_replicator_gets_wrong_are_among_them(sports: Replica) -> None:
    """The comparison above is worth what the dump holds: these cases are really in it, and really in ODS."""

    def one(sql: str) -> Any:
        return sports.query(sql)[0][0]

    assert sports.query("SELECT MonthQuota_1, MonthQuota_2, MonthQuota_12 FROM ods.Salesrep WHERE SalesRep = 'DKP'") == [
        (Decimal(1800), Decimal(1854), Decimal(2492))
    ]
    assert one("SELECT Amount FROM ods.Invoice WHERE Invoicenum = 1") == Decimal("4402.02")
    assert one("SELECT CatDescription FROM ods.Item WHERE Itemnum = 1").count('"Fins"') == 1
    flag = (ROOT / "sports2000" / "dump" / "CountryFlag10424_9.blb").read_bytes()
    assert one("SELECT CountryFlag FROM ods.Country WHERE Country = 'FR'") == flag
    assert one("SELECT ReceiveDate FROM ods.PurchaseOrder WHERE PONum = 8002") is None
    assert one("SELECT count(*) FROM ods.Item WHERE ItemName = ''") > 0  # an empty text is not an unknown one
    assert one("SELECT count(*) FROM ods.Feedback WHERE contains(Comments, chr(10))") == 1


def test_keys_are_unique_indexes_without_nulls_in_the_dump(sports: Replica) -> None:
    """No index of sports2000 is wholly mandatory, so the `.d` files decide; a primary index that repeats is no key."""
    bases = {b.value: {n for n, basis in sports.imported.keys.items() if basis is b} for b in KeyBasis}
    assert bases["unproven"] == {"Customer", "Order", "OrderLine"}  # not dumped: nothing to look for a NULL in
    assert (len(bases["data"]), bases["none"]) == (21, {"Feedback", "InventoryTrans"})
    keys = {name: spec.primary_key for name, spec in sports.platform.catalog.items()}
    assert {name for name, key in keys.items() if not key} == {"Feedback", "InventoryTrans"}
    for name, key in keys.items():
        table = sports.expected[name]
        found = [tuple(row[table.names.index(k)] for k in key) for row in table.rows]
        assert not key or (len(set(found)) == len(found) and None not in {v for f in found for v in f})
    text = (sports.platform.settings.home / "tables" / "Feedback.yaml").read_text()
    assert "No usable unique index: loaded in full, rows matched as a multiset." in text


def test_a_second_full_load_changes_nothing(sports: Replica) -> None:
    before = {name: sorted(sports.rows(name, TECHNICAL), key=repr) for name in sports.expected}
    for name, result in sports.load().items():
        outcome = result.outcome
        assert (outcome.read, outcome.unchanged) == (len(sports.expected[name].rows),) * 2, name
    assert {name: sorted(sports.rows(name, TECHNICAL), key=repr) for name in sports.expected} == before


def test_a_real_row_wider_than_its_sql_width_is_named_and_not_cut(xlate: Replica) -> None:
    """ProjectRevision (12 characters, SQL width 8) and DisplayType of xlatedb's only project: an OpenEdge server raises, too."""
    assert "ProjectRevision" in xlate.platform.catalog[OVER_WIDE].primary_key  # so the quarantine could not even name the row
    failed = {name: r for name, r in xlate.results.items() if r.status != "success"}
    assert {name: r.error_class for name, r in failed.items()} == {OVER_WIDE: "SqlWidthError"}
    assert "ProjectRevision" in failed[OVER_WIDE].error_message
    for table in xlate.expected.values():
        if table.ods_name != OVER_WIDE:
            assert_equal(xlate, table)


def test_all_dumped_tables_of_xlatedb_are_equal_once_the_width_is_fixed(xlate: Replica, twin: TwinHandle) -> None:
    df = xlate.platform.settings.home / "dump" / "xlatedb.df"
    wider = re.compile(r'(FIELD "(?:ProjectRevision|DisplayType)" OF "XL_Project".*?MAX-WIDTH) \d+', re.DOTALL)
    as_dbtool, changed = wider.subn(r"\1 30", df.read_text("latin-1"))
    assert changed == 2
    df.write_text(as_dbtool, "latin-1")
    load_dump_folder_into_twin(twin, df.parent)
    xlate.results[OVER_WIDE] = load_table(xlate.platform, xlate.platform.catalog[OVER_WIDE], LoadOptions(Mode.FULL))
    assert (len(dumped(xlate)), sum(len(t.rows) for t in dumped(xlate))) == (8, 19)
    for table in xlate.expected.values():
        assert_equal(xlate, table)
