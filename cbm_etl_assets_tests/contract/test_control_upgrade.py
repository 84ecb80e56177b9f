"""The schema of the control database: the old pipeline's tables moved aside, the DBA's script, upgrades by hand only."""

from __future__ import annotations

import pytest

from cbm_etl_assets.control.database import Database
from cbm_etl_assets.control.migrate import status, upgrade
from cbm_etl_assets.control.script import ddl_script
from cbm_etl_assets.control.sql import migrations, split
from cbm_etl_assets.control.store import ControlStore, open_database
from cbm_etl_assets.errors import ControlError
from cbm_etl_assets_tests.control_fixture import ControlKit, control, control_postgres

__all__ = ["control", "control_postgres"]
OLD_DDL = """
CREATE TABLE etl.ETL_Log (RunId VARCHAR(36), TableName VARCHAR(100), LogTs TIMESTAMP, Status VARCHAR(20), ExtractDuration FLOAT,
                          RowsExtracted BIGINT, ErrorMessage VARCHAR(4000));
CREATE TABLE etl.DataQuality_Log (RunId VARCHAR(36), CheckName VARCHAR(100), Passed SMALLINT);
CREATE TABLE config.ETL_Tables (TableName VARCHAR(100), PrimaryKeyCols VARCHAR(200));
CREATE TABLE config.Something_Else (Note VARCHAR(20));
"""
OLD_VIEW = {
    "sqlite": "CREATE VIEW etl.vw_LastRuns AS SELECT MAX(LogTs) AS LogTs FROM ETL_Log",
    "postgresql": "CREATE VIEW etl.vw_LastRuns AS SELECT MAX(LogTs) AS LogTs FROM etl.ETL_Log",
}
OLD_ROWS = """
INSERT INTO etl.ETL_Log (RunId, TableName, LogTs, Status) VALUES ('r1', 'client', '2026-11-01 02:00:00', 'started');
INSERT INTO etl.ETL_Log VALUES ('r1', 'client', '2026-11-01 02:03:00', 'success', 12.5, 1000, NULL);
INSERT INTO etl.ETL_Log (RunId, TableName, LogTs, Status) VALUES ('r1', 'produit', '2026-11-01 02:03:00', 'started');
INSERT INTO etl.ETL_Log VALUES ('r1', 'produit', '2026-11-01 02:04:00', 'failed', NULL, NULL, 'truncated');
INSERT INTO etl.ETL_Log (RunId, TableName, LogTs, Status) VALUES ('r2', 'client', '2026-11-02 02:00:00', 'started');
INSERT INTO etl.DataQuality_Log VALUES ('r1', 'not_null', 1);
INSERT INTO config.ETL_Tables VALUES ('client', 'id');
INSERT INTO config.Something_Else VALUES ('untouched');
"""


def old_pipeline(kit: ControlKit, with_view: bool = True) -> None:
    database = open_database(kit.settings)
    try:
        with database.transaction() as session:
            if kit.kind == "postgresql":
                for name in ("etl_old", "config_old"):
                    session.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE")
                session.execute("CREATE SCHEMA etl")
                session.execute("CREATE SCHEMA config")
            for sql in [*split(OLD_DDL), *([OLD_VIEW[kit.kind]] if with_view else []), *split(OLD_ROWS)]:
                session.execute(sql)
    finally:
        database.close()


def moved(kit: ControlKit, table: str) -> str:
    schema, name = table.split(".")
    return f"{schema}.{name}_old" if kit.kind == "sqlite" else f"{schema}_old.{name}"


def test_the_old_pipelines_tables_are_moved_aside_with_every_row(control: ControlKit) -> None:
    old_pipeline(control)
    control.store.upgrade()
    counts = {t: control.store.query(f"SELECT COUNT(*) AS Held FROM {moved(control, t)}") for t in (
        "etl.ETL_Log", "etl.DataQuality_Log", "config.ETL_Tables",
    )}  # fmt: skip
    assert {t: list(rows[0].values()) for t, rows in counts.items()} == {
        "etl.ETL_Log": [5], "etl.DataQuality_Log": [1], "config.ETL_Tables": [1],
    }  # fmt: skip
    assert [list(r.values()) for r in control.store.query("SELECT Note FROM config.Something_Else")] == [["untouched"]]


def test_the_old_run_log_is_carried_over_one_row_a_load(control: ControlKit) -> None:
    old_pipeline(control)
    control.store.upgrade()
    rows = control.store.query("SELECT * FROM etl.ETL_Log ORDER BY LogTs, TableName")
    assert [(r["RunId"], r["TableName"], r["Status"], r["Mode"], r["ErrorMessage"]) for r in rows] == [
        ("r1", "client", "success", "legacy", None),
        ("r1", "produit", "failed", "legacy", "truncated"),
        ("r2", "client", "failed", "legacy", None),
    ]
    assert [(str(r["StartedUtc"]), str(r["EndedUtc"]), r["ErrorClass"]) for r in rows] == [
        ("2026-11-01 02:00:00", "2026-11-01 02:03:00", None),
        ("2026-11-01 02:03:00", "2026-11-01 02:04:00", None),
        ("2026-11-02 02:00:00", "2026-11-02 02:00:00", "OrphanedRun"),
    ]
    assert len(control.store.query("SELECT * FROM etl.vw_LastRuns")) == 2  # our view, on our table


def test_an_old_log_of_another_shape_is_kept_but_not_carried(control: ControlKit) -> None:
    database = open_database(control.settings)
    with database.transaction() as session:
        if control.kind == "postgresql":
            session.execute("DROP SCHEMA IF EXISTS etl_old CASCADE")
            session.execute("CREATE SCHEMA etl")
        session.execute("CREATE TABLE etl.ETL_Log (Line VARCHAR(20))")
        session.execute("INSERT INTO etl.ETL_Log VALUES ('kept')")
    database.close()
    control.store.upgrade()
    assert control.store.query("SELECT * FROM etl.ETL_Log") == []
    assert [list(r.values()) for r in control.store.query(f"SELECT Line FROM {moved(control, 'etl.ETL_Log')}")] == [["kept"]]


def test_status_names_what_is_pending_and_changes_nothing(control: ControlKit) -> None:
    database = open_database(control.settings)
    before = {s.schema: (s.version, len(s.pending)) for s in status(database)}
    known = migrations(control.kind)
    assert before == {schema: (0, sum(1 for m in known if m[0] == schema)) for schema in ("etl", "config")}
    assert upgrade(database, control.clock) == [name for _, _, name in known]
    assert {s.schema: (s.version, s.pending) for s in status(database)} == {
        schema: (max(n for s, n, _ in known if s == schema), ()) for schema in ("etl", "config")
    }
    assert upgrade(database, control.clock) == []
    database.close()


def test_without_auto_upgrade_only_the_command_migrates(control: ControlKit) -> None:
    by_hand = control.settings.model_copy(update={"control": control.settings.control.model_copy(update={"auto_upgrade": False})})
    store = ControlStore(by_hand, control.clock)
    with pytest.raises(ControlError, match=r"(?s)lacks \d+ migrations .*`cbm-etl db upgrade`"):
        store.upgrade()
    control.store.upgrade()
    store.upgrade()
    store.close()


def _tables(database: Database, kind: str) -> set[str]:
    sql = {
        "sqlite": "SELECT name AS n FROM etl.sqlite_master WHERE type IN ('table', 'view', 'index') AND name NOT LIKE 'sqlite_%'",
        "postgresql": "SELECT relname AS n FROM pg_class WHERE relnamespace = 'etl'::regnamespace",
    }[kind]
    return {str(r["n"]).lower() for r in database.read(sql)}


def test_the_script_a_dba_runs_by_hand_leaves_nothing_to_migrate(control: ControlKit) -> None:
    by_hand = open_database(control.settings)
    with by_hand.transaction() as session:
        for sql in split(ddl_script(control.kind)):
            session.execute(sql)
    assert upgrade(by_hand, control.clock) == []
    assert {"etl_log", "vw_lastruns", "quarantine"} <= _tables(by_hand, control.kind)
    by_hand.close()
