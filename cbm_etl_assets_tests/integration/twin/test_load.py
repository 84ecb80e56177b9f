"""Real dumps into the twin and back through the driver."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyodbc
import pytest

from cbm_etl_assets.errors import DumpFormatError
from cbm_etl_assets.metadata.dumpfolder import load_dump_folder
from cbm_etl_assets.metadata.extents import split_extent
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.twin.load import load_dump_folder_into_twin
from cbm_etl_assets_tests.unit.metadata.dumps import ROOT, needs_real_dumps

pytestmark = pytest.mark.integration


@needs_real_dumps
@pytest.mark.parametrize(("folder", "dumped"), [("sports2000", 23), ("pct", 8)])
def test_every_dumped_table_has_the_records_of_its_trailer(clean_twin: TwinHandle, folder: str, dumped: int) -> None:
    loaded = load_dump_folder_into_twin(clean_twin, ROOT / folder)
    expected = {t.table.name: t.open().records for t in load_dump_folder(ROOT / folder).dumped}
    assert len(expected) == dumped
    assert {name: loaded[name] for name in expected} == expected
    with pyodbc.connect(clean_twin.odbc, autocommit=True) as conn:
        counted = {name: conn.execute(f'SELECT COUNT(*) FROM PUB."{name}"').fetchval() for name in expected}
    assert counted == expected


@needs_real_dumps
def test_values_of_sports2000_arrive_as_dumped(clean_twin: TwinHandle) -> None:
    load_dump_folder_into_twin(clean_twin, ROOT / "sports2000")
    dumps = {t.table.name: t for t in load_dump_folder(ROOT / "sports2000").dumped}
    with pyodbc.connect(clean_twin.odbc, autocommit=True) as conn:
        for name, dumped in dumps.items():
            table = dumped.table
            names = ", ".join(f'"{c.name}"' for c in table.columns)
            delivered = [tuple(r) for r in conn.execute(f'SELECT {names} FROM PUB."{name}"').fetchall()]
            read = list(dumped.open().rows())
            assert len(delivered) == len(read)
            for got, want in zip(delivered, read, strict=True):
                for column, value, expected in zip(table.columns, got, want, strict=True):
                    assert _same(value, expected), (name, column.name, value, expected)


def _same(value: object, expected: object) -> bool:
    if isinstance(expected, list):
        return [None if e is None else Decimal(str(e)) for e in expected] == [
            None if v is None else Decimal(v) for v in split_extent(str(value))
        ]
    if isinstance(expected, bytes):
        return value == expected
    return value == expected


def test_a_broken_dump_leaves_nothing_of_its_table(clean_twin: TwinHandle, tmp_path: Path) -> None:
    (tmp_path / "a.df").write_text('ADD TABLE "a"\n  DUMP-NAME "a"\n\nADD FIELD "n" OF "a" AS integer\n  ORDER 10\n')
    (tmp_path / "a.d").write_text("1\n2\n.\nPSC\nfilename=a\nrecords=0000000000003\nldbname=x\ncpstream=UTF-8\n.\n0000000004\n")
    with pytest.raises(DumpFormatError, match="holds 2 records, expected 3"):
        load_dump_folder_into_twin(clean_twin, tmp_path)
    with clean_twin.pg() as conn:
        assert conn.execute("SELECT count(*) FROM cbm_twin.tables").fetchone() == (0,)
