-- The last evaluation of every objective, TableName '' = the platform. SinceUtc: since when in that state. BudgetLeft: 1 = untouched.
IF OBJECT_ID(N'etl.SLO_Status', N'U') IS NULL CREATE TABLE etl.SLO_Status (
    TableName NVARCHAR(200) NOT NULL,
    SloName NVARCHAR(200) NOT NULL,
    SLOStatus NVARCHAR(200) NOT NULL,
    Objective FLOAT NOT NULL,
    AlertThreshold FLOAT NOT NULL,
    Unit NVARCHAR(200) NOT NULL,
    Measured FLOAT,
    P50Value FLOAT,
    P99Value FLOAT,
    EventsTotal BIGINT NOT NULL,
    EventsBad BIGINT NOT NULL,
    BudgetLeft FLOAT,
    BurnRate FLOAT,
    PageBurn FLOAT,
    TicketBurn FLOAT,
    SinceUtc DATETIME2(6) NOT NULL,
    EvaluatedUtc DATETIME2(6) NOT NULL,
    PRIMARY KEY (TableName, SloName)
);
-- Since when a table is declared with that schedule: slots are expected from then on only. Cron '' = declared, never scheduled.
IF OBJECT_ID(N'etl.SLO_Schedule', N'U') IS NULL CREATE TABLE etl.SLO_Schedule (
    TableName NVARCHAR(200) PRIMARY KEY,
    Cron NVARCHAR(200) NOT NULL,
    Timezone NVARCHAR(200) NOT NULL,
    KnownUtc DATETIME2(6) NOT NULL,
    ScheduledUtc DATETIME2(6) NOT NULL
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
    CAST(DATEDIFF_BIG(MILLISECOND, done.DataAsOfUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 AS HoursOld,
    s.Objective AS ObjectiveHours,
    s.AlertThreshold AS AlertHours,
    CASE
        WHEN done.DataAsOfUtc IS NULL
            OR CAST(DATEDIFF_BIG(MILLISECOND, done.DataAsOfUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 > s.AlertThreshold THEN 'BREACH'
        WHEN CAST(DATEDIFF_BIG(MILLISECOND, done.DataAsOfUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 > s.Objective THEN 'WARN'
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
