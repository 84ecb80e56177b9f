"""Isolation by halving, on a source in memory: whatever is poisoned, every other row is read once, and the bad ones are named."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbm_etl_assets.errors import CbmError, ConversionError, SqlWidthError
from cbm_etl_assets.metadata.manifest import RawFile
from cbm_etl_assets.metadata.spec import TableSpec
from cbm_etl_assets.pipeline.isolate import MAX_READS, Readout, read_around
from cbm_etl_assets.source.port import ExtractRequest, ExtractResult, Progress, ReadRange
from cbm_etl_assets.transform.names import HASHDIFF, KEY_HASH
from cbm_etl_assets.transform.rows import RowTransform
from cbm_etl_assets_tests.specs import make_spec

Key = tuple[str, int]


def spec_of(**changes: Any) -> TableSpec:
    columns = [{"name": "cod", "type": "varchar(20)"}, {"name": "lig", "type": "bigint"}, {"name": "v", "type": "varchar(5)"}]
    return make_spec(**({"table": "t", "primary_key": ["cod", "lig"], "cursor": None, "columns": columns} | changes))


def folded(text: str) -> str:
    """As OpenEdge compares: no case, no trailing blanks."""
    return text.rstrip(" ").lower()


@dataclass
class PoisonedSource:
    """Orders and compares text as OpenEdge does; a read that would deliver a poisoned row fails as a whole."""

    rows: list[Key]
    poisoned: set[Key]
    reads: int = 0
    sizes: list[int] = field(default_factory=list)
    error: CbmError = field(
        default_factory=lambda: SqlWidthError("Column v in table PUB.t has value exceeding", table="PUB.t", column="V", remedy="dbtool")
    )

    def extract(self, request: ExtractRequest, progress: Progress | None = None) -> ExtractResult:
        self.reads += 1
        chosen = [row for row in self.rows if self._asked(row, request)]
        if request.order_by:
            chosen.sort(key=lambda row: folded(row[0]))
        if any(c.name == "v" for c in request.spec.kept_columns) and self.poisoned & set(chosen):
            raise self.error
        self.sizes.append(len(chosen))
        names = [c.name for c in request.spec.kept_columns]
        table = pa.table(
            {"cod": [c for c, _ in chosen], "lig": [n for _, n in chosen], "v": ["x"] * len(chosen)},
            schema=pa.schema([("cod", pa.string()), ("lig", pa.int64()), ("v", pa.string())]),
        )
        key, diff = RowTransform(request.spec, case_insensitive_keys=True).hashes(table)
        name = f"part-{request.first_part:05d}.parquet"
        assert not (request.out_dir / name).exists()
        pq.write_table(table.select(names).append_column(KEY_HASH, key).append_column(HASHDIFF, diff), request.out_dir / name)
        return ExtractResult((RawFile(name=name, rows=len(chosen), bytes=1, sha256=""),), len(chosen), "SELECT", (), None, "fake", [])

    def _asked(self, row: Key, request: ExtractRequest) -> bool:
        if request.keys is not None:
            return any(folded(row[0]) == folded(k["cod"]) and row[1] == int(k["lig"]) for k in request.keys.to_pylist())
        if part := request.key_range:
            return (part.lower is None or folded(row[0]) >= folded(part.lower)) and (
                part.upper is None or folded(row[0]) < folded(part.upper)
            )
        return True


def run(source: PoisonedSource, folder: Path, spec: TableSpec | None = None, keys: pa.Table | None = None) -> tuple[Readout, list[Key]]:
    readout = read_around(source, ExtractRequest(spec or spec_of(), ReadRange(), folder, keys=keys))  # type: ignore[arg-type]
    tables = [pq.read_table(folder / file.name) for file in readout.found.files]
    return readout, sorted((row["cod"], row["lig"]) for table in tables for row in table.to_pylist())


def named(readout: Readout) -> list[Key]:
    keys = [json.loads(bad.key_json) for bad in readout.unread]
    return sorted((key["cod"], int(key["lig"])) for key in keys)


CODES = st.sampled_from(["a", "A", "ab", "AB ", "b", "B", "é", "É", "z", "Z "])
TABLES = st.lists(st.tuples(CODES, st.integers(0, 40)), min_size=1, max_size=60, unique_by=lambda row: (folded(row[0]), row[1]))


@settings(max_examples=60, deadline=None)
@given(TABLES, st.data())
def test_every_good_row_is_read_once_and_every_bad_one_is_named(rows: list[Key], data: st.DataObject) -> None:
    poisoned = set(data.draw(st.lists(st.sampled_from(rows), max_size=6)))
    source = PoisonedSource(rows, poisoned)
    with tempfile.TemporaryDirectory() as folder:
        readout, got = run(source, Path(folder))
    assert got == sorted(set(rows) - poisoned)
    assert named(readout) == sorted(poisoned)
    assert readout.found.rows == len(got)


def test_a_sound_table_is_read_in_one_go(tmp_path: Path) -> None:
    source = PoisonedSource([("a", i) for i in range(50)], set())
    assert len(run(source, tmp_path)[1]) == 50
    assert source.reads == 1


def test_one_bad_row_of_thousands_costs_few_reads(tmp_path: Path) -> None:
    rows = [(f"{i:05d}", 0) for i in range(4000)]
    source = PoisonedSource(rows, {("02345", 0)})
    readout, got = run(source, tmp_path)
    assert (len(got), named(readout)) == (3999, [("02345", 0)])
    assert source.reads <= 30
    [bad] = readout.unread
    assert (bad.column, bad.error_class, bad.can_retry) == ("v", "SqlWidthError", True)


def test_rows_named_by_key_are_isolated_too(tmp_path: Path) -> None:
    rows = [(f"{i:03d}", i) for i in range(40)]
    keys = pa.table({"cod": [c for c, _ in rows], "lig": [str(n) for _, n in rows]})
    readout, got = run(PoisonedSource(rows, {rows[0], rows[39]}), tmp_path, keys=keys)
    assert (got, named(readout)) == (rows[1:39], [rows[0], rows[39]])


@pytest.mark.parametrize("share", [1, 2, 7])
def test_a_table_bad_through_and_through_stops_in_words(tmp_path: Path, share: int) -> None:
    rows = [(f"{i:05d}", 0) for i in range(3000)]
    source = PoisonedSource(rows, set(rows[::share]))
    with pytest.raises(SqlWidthError, match=r"Table 't': column 'V' holds values wider than the SQL width; .*Nothing was changed"):
        run(source, tmp_path, spec_of(quarantine={"max_rows": 100, "max_percent": 100}))
    assert source.reads < MAX_READS


def test_a_table_without_a_key_cannot_leave_a_row_out(tmp_path: Path) -> None:
    with pytest.raises(SqlWidthError, match="no primary_key"):
        run(PoisonedSource([("a", 1)], {("a", 1)}), tmp_path, spec_of(primary_key=[]))


DIVISION = ConversionError("a value does not fit its declared type: division by zero [SQLSTATE 22012]", remedy="correct the column's type")


def test_a_row_the_driver_cannot_convert_is_left_out_like_a_wide_one(tmp_path: Path) -> None:
    rows = [(f"{i:05d}", 0) for i in range(2000)]
    source = PoisonedSource(rows, {("00777", 0), ("01500", 0)}, error=DIVISION)
    readout, got = run(source, tmp_path)
    assert (len(got), named(readout)) == (1998, [("00777", 0), ("01500", 0)])
    bad = readout.unread[0]
    assert (bad.column, bad.error_class, bad.can_retry) == ("", "ConversionError", True)
    assert bad.message == "a value does not fit its declared type: division by zero [SQLSTATE 22012] -> correct the column's type"


def test_a_type_the_driver_cannot_deliver_at_all_is_seen_soon(tmp_path: Path) -> None:
    rows = [(f"{i:05d}", 0) for i in range(3000)]
    source = PoisonedSource(rows, set(rows), error=DIVISION)
    with pytest.raises(ConversionError, match=r"it holds values that cannot be read: .*division by zero.* Nothing was changed"):
        run(source, tmp_path, spec_of(quarantine={"max_rows": 1000, "max_percent": 100}))
    assert source.reads <= 45


def test_without_a_key_the_remedy_names_both_ways_out(tmp_path: Path) -> None:
    for source in (PoisonedSource([("a", 1)], {("a", 1)}), PoisonedSource([("a", 1)], {("a", 1)}, error=DIVISION)):
        with pytest.raises(type(source.error), match="no primary_key in its spec") as caught:
            run(source, tmp_path, spec_of(primary_key=[]))
        assert isinstance(caught.value, CbmError)
        assert (
            caught.value.remedy
            == f"{source.error.remedy}; or give 't' a primary_key in its spec: then the row is left out and the others are loaded"
        )
