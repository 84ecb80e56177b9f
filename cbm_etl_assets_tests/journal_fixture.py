"""A control database filled with a seeded past: runs, rule results, objectives, alerts, quarantine, certificates."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Sequence
from pathlib import Path

from cbm_etl_assets.control.database import Row, Session
from cbm_etl_assets.control.store import ControlStore, open_database
from cbm_etl_assets.settings import Settings

NOW = dt.datetime(2026, 11, 21, 9, 30)
TABLES = ("client", "entetcli", "fournis", "hisprixa", "lignecli", "produit", "stock")


def now() -> dt.datetime:
    return NOW


def settings_of(home: Path) -> Settings:
    return Settings(home=home)


def fill(settings: Settings, *, runs: int = 2000, days: int = 60, hostile: str = "", seed: int = 7) -> None:
    """`runs` loads spread evenly over `days` until NOW, 1 % of them failed, one open; `hostile` names one more table."""
    ControlStore(settings, lambda: NOW.replace(tzinfo=dt.UTC)).upgrade()
    rng = random.Random(seed)
    tables = (*TABLES, hostile) if hostile else TABLES
    database = open_database(settings)
    try:
        with database.transaction() as session:
            insert(session, "etl.ETL_Log", _runs(rng, runs, days, hostile))
            insert(session, "etl.DataQuality_Log", _rules(rng, days, tables, hostile))
            insert(session, "etl.SLO_Status", _objectives())
            insert(session, "etl.Alert", _alerts(hostile))
            insert(session, "etl.Quarantine", _quarantine(hostile))
            _catalogue(session, tables)
    finally:
        database.close()


def insert(session: Session, table: str, rows: Sequence[Row]) -> None:
    names = list(rows[0])
    session.execute_many(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)})", rows)


def _runs(rng: random.Random, runs: int, days: int, hostile: str) -> list[Row]:
    rows: list[Row] = []
    for i in range(runs):
        started = NOW - dt.timedelta(days=days) * (1 - i / runs)
        seconds = round(rng.lognormvariate(1.5 + 0.3 * (i % len(TABLES)), 0.5), 3)
        failed, full = rng.random() < 0.01, rng.random() < 0.1
        read = rng.randrange(100, 4000) * (20 if full else 1)
        changed = 0 if failed else rng.randrange(0, read // 10 + 1)
        rows.append({
            "RunId": f"{i:08x}-0000-4000-8000-000000000000", "TableName": hostile if hostile and i % 50 == 0 else TABLES[i % len(TABLES)],
            "LogTs": started, "Status": "failed" if failed else "success", "Layer": "ods", "PartitionKey": "",
            "Mode": "full" if full else "incremental", "Owner": "h:1:x", "StartedUtc": started,
            "EndedUtc": started + dt.timedelta(seconds=seconds), "DurationSeconds": seconds, "RowsRead": read, "RowsInserted": changed // 3,
            "RowsUpdated": changed - changed // 3, "RowsDeleted": rng.randrange(0, 4), "BytesRead": read * 900,
            "ErrorClass": "SourceUnavailableError" if failed else None,
            "ErrorMessage": f"The source did not answer. {hostile}" if failed else None,
        })  # fmt: skip
    started = NOW - dt.timedelta(seconds=95)
    opened = {"RunId": "ffffffff-0000", "TableName": "lignecli", "Status": "started", "StartedUtc": started, "Mode": "full"}
    nothing = {"EndedUtc": None, "DurationSeconds": None, "ErrorClass": None, "ErrorMessage": None}
    return [*rows, {**rows[-1], **opened, **nothing}]


def _rules(rng: random.Random, days: int, tables: Sequence[str], hostile: str) -> list[Row]:
    rows: list[Row] = []
    for back in range(days - 1, -1, -1):
        for name in tables:
            for rule, column in (("not_null", "cod_cli"), ("range", "prix"), ("unique", "cod_cli")):
                bad = rng.random() < (0.25 if (name, rule) == ("produit", "range") else 0.02)
                failed = rng.randrange(1, 90) if bad else 0
                rows.append({
                    "RunId": f"{back}-{name}", "TableName": name, "LogTs": NOW - dt.timedelta(days=back, hours=3), "LoadSeq": 1,
                    "Layer": "stg", "PartitionKey": "", "RuleName": f"{rule}_{column}", "RuleKind": rule, "ColumnName": column,
                    "RuleText": f"{rule}: {column} {hostile}", "Severity": "ERROR", "Blocking": 0,
                    "Verdict": ("FAILED" if failed > 60 else "WARNING") if bad else "VALID", "RowsChecked": 1000, "RowsFailed": failed,
                    "PercentFailed": failed / 10, "SampleKeys": "[]", "Seconds": 0.01, "Message": "",
                })  # fmt: skip
    return rows


def _objectives() -> list[Row]:
    levels = (
        ("availability", "OK", 99.9, 99.5, "%", 99.97, 0.70, 0.3), ("latency", "WARN", 120, 150, "s", 131.2, None, None),
        ("error_rate", "WARN", 1, 2, "%", 1.1, -0.1, 1.1), ("freshness", "OK", 24, 36, "h", 3.2, None, None),
        ("quality", "OK", 99, 95, "%", 99.3, 0.3, 0.7),
    )  # fmt: skip
    names = ("SloName", "SLOStatus", "Objective", "AlertThreshold", "Unit", "Measured", "BudgetLeft", "BurnRate")
    more: Row = {"TableName": "", "EventsTotal": 100, "EventsBad": 1, "SinceUtc": NOW, "EvaluatedUtc": NOW}
    return [{**dict(zip(names, level, strict=True)), **more} for level in levels]


def _alerts(hostile: str) -> list[Row]:
    since = NOW - dt.timedelta(hours=2)
    stamps: Row = {
        "SinceUtc": since,
        "OpenedUtc": since,
        "SeenUtc": since,
        "Notifications": 1,
        "AckedBy": "",
        "Episode": "e",
        "State": "open",
    }
    facts = json.dumps({"detail": f"Three loads in a row ended with SourceUnavailableError. {hostile}"})
    return [
        {"AlertKey": f"{kind}:{table}", "Kind": kind, "TableName": table, "Severity": severity, "Facts": facts, **stamps}
        for kind, table, severity in (("quarantine", hostile or "client", "warning"), ("run_failure", "produit", "error"))
    ]


def _quarantine(hostile: str) -> list[Row]:
    fixed: Row = {
        "KeyJson": "{}", "CanRetry": 1, "ColumnName": "nom", "ErrorClass": "SqlWidthError", "ErrorMessage": "", "Payload": "", "RunId": "r",
        "LoadSeq": 1, "State": "open",
    }  # fmt: skip
    seen = [NOW - dt.timedelta(days=number) for number in range(3)]
    return [
        {"TableName": hostile or "client", "KeyHash": f"{i:064x}", **fixed, "FirstSeenUtc": at, "LastSeenUtc": at}
        for i, at in enumerate(seen)
    ]


def _catalogue(session: Session, tables: Sequence[str]) -> None:
    declared: Row = {"Rules": 3, "BlockingRules": 1, "RejectRules": 0, "ColumnsTotal": 20, "ColumnsCovered": 9}
    insert(session, "etl.DQ_Declared", [{"TableName": name, **declared} for name in tables])
    verified: Row = {
        "RunId": "r", "StartedUtc": NOW, "EndedUtc": NOW, "VerifiedThroughTs": NOW, "LoadSeq": 1, "RowsSource": 9, "RowsOds": 9,
        "KeysMissing": 0, "KeysExtra": 0, "KeysPending": 0, "KeysQuarantined": 0, "KeysFingerprintSource": "", "KeysFingerprintOds": "",
        "RowsFingerprintSource": "", "RowsFingerprintOds": "", "BucketsDifferent": 0, "ColumnsJson": "[]", "KeysJson": "[]",
    }  # fmt: skip
    wrong = {name: int(name == "stock") for name in tables}
    insert(session, "etl.Certificate", [
        {"TableName": name, "Status": "different" if bad else "equal", "KeysDifferent": bad, **verified} for name, bad in wrong.items()
    ])  # fmt: skip
    spec: Row = {
        "DestinationTable": "ods.x", "PrimaryKeyCols": "id", "HasTimestamps": 1, "IsDimension": 1, "IsFact": 0, "SourceSchema": "PUB",
        "SourceTable": "x", "TableGroup": "g", "Priority": "normal", "Owners": "", "ScheduleCron": "0 2 * * *",
        "ScheduleTimezone": "Europe/Paris", "SlaHours": 24, "SpecHash": "",
    }  # fmt: skip
    insert(session, "config.ETL_Tables", [{"TableName": name, **spec} for name in tables])
