"""PostgreSQL as the warehouse of a whole line: the twin's `article` in, the server's ODS out, beside DuckDB on the same source."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from cbm_etl_assets.errors import WarehouseError
from cbm_etl_assets.pipeline.load import load_table
from cbm_etl_assets.pipeline.repair import repair
from cbm_etl_assets.pipeline.results import LoadOptions, Mode
from cbm_etl_assets.pipeline.verify import verify
from cbm_etl_assets.pipeline.why import asof, why
from cbm_etl_assets.settings import WarehouseSettings
from cbm_etl_assets.twin.handle import TwinHandle
from cbm_etl_assets_tests.integration.cli.test_verify_commands import play
from cbm_etl_assets_tests.line_fixture import Line, article_spec
from cbm_etl_assets_tests.warehouse_fixture import control_postgres, postgres_database

__all__ = ["control_postgres", "postgres_database"]
START = dt.datetime(2026, 2, 1)


@pytest.fixture
def server_line(clean_twin: TwinHandle, tmp_path: Path, postgres_database: str) -> Iterator[Line]:
    held = WarehouseSettings(kind="postgresql", connection_string=SecretStr(postgres_database), lock_wait_seconds=20)
    made = Line(clean_twin, tmp_path / "pg", warehouse=held)
    made.create(200)
    with closing(made):
        yield made


def put(line: Line, key: str, label: str, hours: int) -> None:
    line.put(key, label, START + dt.timedelta(hours=hours))


def test_a_line_of_every_mode(server_line: Line) -> None:
    line = server_line
    assert line.load().outcome.inserted == 200
    put(line, "A00001", "changed", 1)
    put(line, "Z1", "new", 2)
    assert line.load(Mode.INCREMENTAL).outcome.inserted == 1
    line.assert_equal()
    line.execute("DELETE FROM pub.article WHERE cod_art = 'A00007'")
    assert line.load(Mode.SWEEP).outcome.deleted == 1
    put(line, "A00002", "in its partition", 3)
    line.load(Mode.PARTITION, "2026-02-01")
    line.assert_equal()
    assert line.load(Mode.FULL).outcome.unchanged == 200
    assert line.leftovers() == []


def test_damage_is_found_repaired_and_explained(server_line: Line, postgres_database: str) -> None:
    line = server_line
    line.spec = article_spec(history=True)
    line.load()
    put(line, "A00003", "second version", 5)
    line.load(Mode.INCREMENTAL)
    with psycopg.connect(postgres_database, autocommit=True) as connection:
        connection.execute("""UPDATE ods.article SET "Libelle" = 'damaged' WHERE cod_art = 'A00005'""")
        connection.execute("DELETE FROM ods.article WHERE cod_art = 'A00006'")
        connection.execute("""UPDATE ods.article SET cod_art = 'A99999' WHERE cod_art = 'A00008'""")
    found = verify(line.platform, line.spec)
    assert (found.missing, found.extra, found.different) == (2, 1, 1)
    assert repair(line.platform, line.spec).after.equal
    line.assert_equal()
    story = why(line.platform, line.spec, ["A00003"])
    assert [v.values["Libelle"] for v in story.versions] == ["libellé 3", "second version"]
    assert story.versions[1].changed == ("gencod_v", "Libelle", "qte", "dat_mod")
    before = asof(line.platform, line.spec, START)
    assert "libellé 3" in [row[2] for row in before.rows]


def test_ten_rounds_are_certified_and_both_warehouses_hold_the_same_hashes(server_line: Line, tmp_path: Path) -> None:
    chance = random.Random(20)
    pair = [server_line, Line(server_line.twin, tmp_path / "duck")]
    for line in pair:
        line.spec = article_spec(history=True)
    with closing(pair[1]):
        for number in range(11):
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
            line.load(Mode.FULL)
            assert verify(line.platform, line.spec).equal
            line.assert_equal()
        current, history = ([hashes(line, table) for line in pair] for table in ("article", "article_history"))
    assert len(current[0]) > 150
    assert current[0] == current[1]
    assert len(history[0]) > len(current[0])
    assert history[0] == history[1]


def hashes(line: Line, table: str) -> list[tuple[object, ...]]:
    """Key and row hash of every row, tombstones too; of the history in the order of its versions."""
    order = "_valid_from" if table.endswith("_history") else "_load_seq"
    return line.platform.warehouse.query(f"SELECT _key_hash, _hashdiff FROM ods.{table} ORDER BY _key_hash, {order}").rows


def test_co04_readers_never_see_fewer_rows_during_a_full_load(server_line: Line, postgres_database: str) -> None:
    line, counts, stop = server_line, list[int](), threading.Event()
    line.execute("INSERT INTO pub.article SELECT 'B' || g, NULL, 'x', 1, timestamp '2026-01-01' FROM generate_series(1, 5000) g")
    line.load()

    def read() -> None:
        with psycopg.connect(postgres_database, autocommit=True) as connection:
            while not stop.is_set():
                found = connection.execute("SELECT count(*), count(*) FILTER (WHERE qte = 77) FROM ods.article").fetchone()
                assert found
                assert found[1] in (0, 5000)  # all of the load or nothing of it
                counts.append(found[0])

    reader = threading.Thread(target=read)
    reader.start()
    try:
        line.execute("UPDATE pub.article SET qte = 77 WHERE cod_art LIKE 'B%%'")
        assert line.load(Mode.FULL).outcome.updated == 5000
        line.execute("UPDATE pub.article SET qte = 78 WHERE cod_art LIKE 'B%%'")
        assert line.load(Mode.FULL).outcome.updated == 5000
    finally:
        stop.set()
        reader.join()
    assert len(counts) > 3
    assert set(counts) == {5200}


def test_every_command_works_on_it(server_line: Line) -> None:
    """The command line knows nothing of warehouses; what each says of this one is asked for here."""
    line = server_line
    line.spec = article_spec(history=True)
    first = play(line, "run", "article", "--json")
    assert (first.code, first.document["tables"][0]["rows"]["inserted"]) == (0, 200)
    put(line, "A00003", "second version", 5)
    assert play(line, "plan", "article", "--json").code == 0
    backfilled = play(line, "backfill", "article", "--from", "2026-01-30", "--to", "2026-02-02", "--json")
    assert (backfilled.code, backfilled.document["tables"][0]["rows"]["updated"]) == (0, 1)
    for command in (["sweep", "article"], ["verify", "--all"], ["repair", "article"], ["preflight"], ["status"], ["profile", "article"]):
        played = play(line, *command, "--json")
        assert (command, played.code) == (command, 0), played.err
    assert "second version" in play(line, "why", "article", "A00003").out
    assert play(line, "asof", "article", "2026-01-20", "--json").code == 0
    asked = play(line, "sql", 'SELECT count(*) AS n, sum(qte) AS total FROM ods.article WHERE "Libelle" IS NOT NULL', "--json")
    assert asked.code == 0
    assert play(line, "sql", "DELETE FROM ods.article").code == 1
    line.assert_equal()


def test_a_name_past_the_servers_limit_stops_before_anything_is_read(server_line: Line) -> None:
    line = server_line
    line.spec = article_spec(target="t" * 50)
    with pytest.raises(WarehouseError, match="a postgresql name takes 49"):
        line.load()
    assert not list((line.home / "lake").rglob("*.parquet"))
    assert line.leftovers() == []


def test_dagster_has_no_pool_and_no_duckdb_marts_for_it(server_line: Line) -> None:
    from cbm_etl_assets.orchestration.build import build_defs

    definitions = build_defs({server_line.spec.name: server_line.spec}, server_line.settings())
    keys = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert keys == {"raw/article", "stg/article", "ods/article"}
    [asset] = [a for a in definitions.assets or [] if hasattr(a, "op")]
    assert asset.op.pool is None
