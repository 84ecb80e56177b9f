-- The last evaluation of every objective, TableName '' = the platform. SinceUtc: since when in that state. BudgetLeft: 1 = untouched.
CREATE TABLE IF NOT EXISTS etl.SLO_Status (
    TableName TEXT NOT NULL,
    SloName TEXT NOT NULL,
    SLOStatus TEXT NOT NULL,
    Objective REAL NOT NULL,
    AlertThreshold REAL NOT NULL,
    Unit TEXT NOT NULL,
    Measured REAL,
    P50Value REAL,
    P99Value REAL,
    EventsTotal INTEGER NOT NULL,
    EventsBad INTEGER NOT NULL,
    BudgetLeft REAL,
    BurnRate REAL,
    PageBurn REAL,
    TicketBurn REAL,
    SinceUtc TEXT NOT NULL,
    EvaluatedUtc TEXT NOT NULL,
    PRIMARY KEY (TableName, SloName)
);
-- Since when a table is declared with that schedule: slots are expected from then on only. Cron '' = declared, never scheduled.
CREATE TABLE IF NOT EXISTS etl.SLO_Schedule (
    TableName TEXT PRIMARY KEY,
    Cron TEXT NOT NULL,
    Timezone TEXT NOT NULL,
    KnownUtc TEXT NOT NULL,
    ScheduledUtc TEXT NOT NULL
);
CREATE VIEW etl.vw_SLO AS
SELECT SloName, SLOStatus, Measured, Unit, Objective, AlertThreshold, P50Value, P99Value, EventsTotal, EventsBad,
    100.0 * BudgetLeft AS BudgetLeftPercent, BurnRate, PageBurn, TicketBurn, SinceUtc, EvaluatedUtc
FROM SLO_Status
WHERE TableName = '';
CREATE VIEW etl.vw_SLO_Tables AS
SELECT TableName, SloName, SLOStatus, Measured, Unit, Objective, AlertThreshold, P50Value, P99Value, EventsTotal, EventsBad,
    100.0 * BudgetLeft AS BudgetLeftPercent, BurnRate, SinceUtc, EvaluatedUtc
FROM SLO_Status
WHERE TableName <> '';
-- Computed when read, so that it is right while nothing evaluates. DataAsOfUtc: when the last good full or incremental load
-- began to read; a backfill of an old partition, a sweep and a repair make no table fresh.
CREATE VIEW etl.vw_SLO_Freshness AS
SELECT
    s.TableName,
    done.DataAsOfUtc,
    (julianday('now') - julianday(done.DataAsOfUtc)) * 24.0 AS HoursOld,
    s.Objective AS ObjectiveHours,
    s.AlertThreshold AS AlertHours,
    CASE
        WHEN done.DataAsOfUtc IS NULL OR (julianday('now') - julianday(done.DataAsOfUtc)) * 24.0 > s.AlertThreshold THEN 'BREACH'
        WHEN (julianday('now') - julianday(done.DataAsOfUtc)) * 24.0 > s.Objective THEN 'WARN'
        ELSE 'OK'
    END AS FreshnessStatus
FROM SLO_Status AS s
LEFT JOIN (
    SELECT TableName, MAX(StartedUtc) AS DataAsOfUtc
    FROM ETL_Log
    WHERE Status = 'success' AND Layer = 'ods' AND Mode IN ('full', 'incremental')
    GROUP BY TableName
) AS done ON done.TableName = s.TableName
WHERE s.SloName = 'freshness' AND s.TableName <> '';
