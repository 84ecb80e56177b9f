"""SQL Server as the warehouse of a whole line, beside DuckDB on the same source.

On the server of CBM_TEST_SQLSERVER where it is given; else our T-SQL runs on its stand-in (tsql/engine.py), statement by statement.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.preflight import CheckStatus, preflight
from cbm_etl_assets.pipeline.repair import repair
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.pipeline.why import asof, why
from cbm_etl_assets.settings import WarehouseSettings
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets.warehouse.dialects.sqlserver import SqlServerWarehouse
from cbm_etl_assets_tests.line_fixture import Line, article_spec
from cbm_etl_assets_tests.tsql import live

START = dt.datetime(2026, 2, 1)


@pytest.fixture
def server_line(clean_twin: TwinHandle, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Line]:
    held = WarehouseSettings(kind="sqlserver", connection_string=SecretStr(live.connection_string(request)), lock_wait_seconds=20)
    made = Line(clean_twin, tmp_path / "ms", warehouse=held)
    made.create(200)
    with closing(made):
        yield made


def put(line: Line, key: str, label: str, hours: int) -> None:
    line.put(key, label, START + dt.timedelta(hours=hours))


def damage(line: Line, statement: str) -> None:
    """Past the platform, as somebody with a query window would."""
    warehouse = line.platform.warehouse
    assert isinstance(warehouse, SqlServerWarehouse)
    with warehouse.connector.session() as session:
        session.run(statement)


def test_a_line_of_every_mode(server_line: Line) -> None:
    line = server_line
    assert line.load().outcome.inserted == 200
    put(line, "A00001", "changed", 1)
    put(line, "Z1", "😀" * 20, 2)  # 20 characters as the source counts them, 40 of nvarchar(30): the column is widened
    assert line.load(Mode.INCREMENTAL).outcome.inserted == 1
    line.assert_equal()
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00007'")
    assert line.load(Mode.SWEEP).outcome.deleted == 1
    put(line, "A00002", "in its partition", 3)
    line.load(Mode.PARTITION, "2026-02-01")
    line.assert_equal()
    assert line.load(Mode.FULL).outcome.unchanged == 200
    assert line.leftovers() == []
    warehouse = next(check for check in preflight(line.platform, []) if check.name == "warehouse")
    assert (warehouse.status is CheckStatus.WARN) == ("READ_COMMITTED_SNAPSHOT" in warehouse.remedy)


def test_damage_is_found_repaired_and_explained(server_line: Line) -> None:
    line = server_line
    line.spec = article_spec(history=True)
    line.load()
    put(line, "A00003", "second version", 5)
    line.load(Mode.INCREMENTAL)
    damage(line, "UPDATE [ods].[article] SET [Libelle] = N'damaged' WHERE [cod_art] = N'A00005';")
    damage(line, "DELETE FROM [ods].[article] WHERE [cod_art] = N'A00006';")
    damage(line, "UPDATE [ods].[article] SET [cod_art] = N'A99999' WHERE [cod_art] = N'A00008';")
    found = verify(line.platform, line.spec)
    assert (found.missing, found.extra, found.different) == (2, 1, 1)
    assert repair(line.platform, line.spec).after.equal
    line.assert_equal()
    story = why(line.platform, line.spec, ["A00003"])
    assert [v.values["Libelle"] for v in story.versions] == ["libellé 3", "second version"]
    before = asof(line.platform, line.spec, START)
    assert "libellé 3" in [row[2] for row in before.rows]


def test_rounds_of_changes_are_certified_and_both_warehouses_hold_the_same_hashes(server_line: Line, tmp_path: Path) -> None:
    chance = random.Random(20)
    pair = [server_line, Line(server_line.twin, tmp_path / "duck")]
    for line in pair:
        line.spec = article_spec(history=True)
    with closing(pair[1]):
        for number in range(7):
            for _ in range(6 if number else 0):
                key = f"A{chance.randrange(1, 230):05d}"
                if chance.random() < 0.25:
                    pair[0].execute("DELETE FROM pub.article WHERE cod_art = %s", key)
                else:
                    put(pair[0], key, f"round {number} {chance.random()}", 24 * number)
            mode = Mode.FULL if number % 3 == 0 else Mode.INCREMENTAL
            for line in pair:
                load_table(line.platform, line.spec, LoadOptions(mode, allow_mass_delete=True))
        for line in pair:
            assert verify(line.platform, line.spec).equal
        current, history = ([hashes(line, table) for line in pair] for table in ("article", "article_history"))
    assert len(current[0]) > 150
    assert current[0] == current[1]
    assert len(history[0]) > len(current[0])
    assert history[0] == history[1]


@pytest.mark.skipif(not os.environ.get(live.VARIABLE), reason=f"{live.VARIABLE} names no server: the stand-in has no second session")
def test_co04_readers_never_see_fewer_rows_during_a_full_load(server_line: Line) -> None:
    line, counts, stop = server_line, list[int](), threading.Event()
    line.execute("INSERT INTO pub.article SELECT 'B' || g, NULL, 'x', 1, timestamp '2026-01-01' FROM generate_series(1, 5000) g")
    line.load()
    warehouse = line.platform.warehouse
    assert isinstance(warehouse, SqlServerWarehouse)

    def read() -> None:
        with warehouse.connector.session() as session:
            while not stop.is_set():
                rows, new = session.rows("SELECT COUNT(*), COUNT(CASE WHEN qte = 77 THEN 1 END) FROM [ods].[article];")[0]
                assert new in (0, 5000)  # all of the load or nothing of it
                counts.append(rows)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        line.execute("UPDATE pub.article SET qte = 77 WHERE cod_art LIKE 'B%%'")
        assert line.load(Mode.FULL).outcome.updated == 5000
    finally:
        stop.set()
        reader.join()
    assert set(counts) == {5200}


def hashes(line: Line, table: str) -> list[tuple[object, ...]]:
    """Key and row hash of every row, tombstones too; of the history in the order of its versions."""
    order = "_valid_from" if table.endswith("_history") else "_load_seq"
    return line.platform.warehouse.query(f"SELECT _key_hash, _hashdiff FROM ods.{table} ORDER BY _key_hash, {order}").rows
