-- The last evaluation of every objective, TableName '' = the platform. SinceUtc: since when in that state. BudgetLeft: 1 = untouched.
CREATE TABLE IF NOT EXISTS etl.SLO_Status (
    TableName VARCHAR(200) NOT NULL,
    SloName VARCHAR(200) NOT NULL,
    SLOStatus VARCHAR(200) NOT NULL,
    Objective DOUBLE PRECISION NOT NULL,
    AlertThreshold DOUBLE PRECISION NOT NULL,
    Unit VARCHAR(200) NOT NULL,
    Measured DOUBLE PRECISION,
    P50Value DOUBLE PRECISION,
    P99Value DOUBLE PRECISION,
    EventsTotal BIGINT NOT NULL,
    EventsBad BIGINT NOT NULL,
    BudgetLeft DOUBLE PRECISION,
    BurnRate DOUBLE PRECISION,
    PageBurn DOUBLE PRECISION,
    TicketBurn DOUBLE PRECISION,
    SinceUtc TIMESTAMP NOT NULL,
    EvaluatedUtc TIMESTAMP NOT NULL,
    PRIMARY KEY (TableName, SloName)
);
-- Since when a table is declared with that schedule: slots are expected from then on only. Cron '' = declared, never scheduled.
CREATE TABLE IF NOT EXISTS etl.SLO_Schedule (
    TableName VARCHAR(200) PRIMARY KEY,
    Cron VARCHAR(200) NOT NULL,
    Timezone VARCHAR(200) NOT NULL,
    KnownUtc TIMESTAMP NOT NULL,
    ScheduledUtc TIMESTAMP NOT NULL
);
CREATE VIEW etl.vw_SLO AS
SELECT SloName, SLOStatus, Measured, Unit, Objective, AlertThreshold, P50Value, P99Value, EventsTotal, EventsBad,
    100.0 * BudgetLeft AS BudgetLeftPercent, BurnRate, PageBurn, TicketBurn, SinceUtc, EvaluatedUtc
FROM etl.SLO_Status
WHERE TableName = '';
CREATE VIEW etl.vw_SLO_Tables AS
SELECT TableName, SloName, SLOStatus, Measured, Unit, Objective, AlertThreshold, P50Value, P99Value, EventsTotal, EventsBad,
    100.0 * BudgetLeft AS BudgetLeftPercent, BurnRate, SinceUtc, EvaluatedUtc
FROM etl.SLO_Status
WHERE TableName <> '';
-- Computed when read, so that it is right while nothing evaluates. DataAsOfUtc: when the last good full or incremental load
-- began to read; a backfill of an old partition, a sweep and a repair make no table fresh.
CREATE VIEW etl.vw_SLO_Freshness AS
SELECT
    s.TableName,
    done.DataAsOfUtc,
    CAST(EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP AT TIME ZONE 'UTC') - done.DataAsOfUtc) AS DOUBLE PRECISION) / 3600.0 AS HoursOld,
    s.Objective AS ObjectiveHours,
    s.AlertThreshold AS AlertHours,
    CASE
        WHEN done.DataAsOfUtc IS NULL
            OR CAST(EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP AT TIME ZONE 'UTC') - done.DataAsOfUtc) AS DOUBLE PRECISION) / 3600.0 > s.AlertThreshold THEN 'BREACH'
        WHEN CAST(EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP AT TIME ZONE 'UTC') - done.DataAsOfUtc) AS DOUBLE PRECISION) / 3600.0 > s.Objective THEN 'WARN'
        ELSE 'OK'
    END AS FreshnessStatus
FROM etl.SLO_Status AS s
LEFT JOIN (
    SELECT TableName, MAX(StartedUtc) AS DataAsOfUtc
    FROM etl.ETL_Log
    WHERE Status = 'success' AND Layer = 'ods' AND Mode IN ('full', 'incremental')
    GROUP BY TableName
) AS done ON done.TableName = s.TableName
WHERE s.SloName = 'freshness' AND s.TableName <> '';
