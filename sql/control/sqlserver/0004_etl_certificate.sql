-- One row a verification: source rows read anew against ODS rows read back. VerifiedThroughTs is the source's wall clock.
IF OBJECT_ID(N'etl.Certificate', N'U') IS NULL CREATE TABLE etl.Certificate (
    CertificateId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    RunId NVARCHAR(100) NOT NULL,
    TableName NVARCHAR(128) NOT NULL,
    Status NVARCHAR(20) NOT NULL,
    StartedUtc DATETIME2(6) NOT NULL,
    EndedUtc DATETIME2(6) NOT NULL,
    VerifiedThroughTs DATETIME2(6),
    LoadSeq BIGINT NOT NULL,
    RowsSource BIGINT NOT NULL,
    RowsOds BIGINT NOT NULL,
    KeysMissing BIGINT NOT NULL,
    KeysExtra BIGINT NOT NULL,
    KeysDifferent BIGINT NOT NULL,
    KeysPending BIGINT NOT NULL,
    KeysQuarantined BIGINT NOT NULL,
    KeysFingerprintSource NVARCHAR(64) NOT NULL,
    KeysFingerprintOds NVARCHAR(64) NOT NULL,
    RowsFingerprintSource NVARCHAR(64) NOT NULL,
    RowsFingerprintOds NVARCHAR(64) NOT NULL,
    BucketsDifferent INTEGER NOT NULL,
    ColumnsJson NVARCHAR(MAX) NOT NULL,
    KeysJson NVARCHAR(MAX) NOT NULL
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_Certificate_Table' AND object_id = OBJECT_ID(N'etl.Certificate'))
CREATE INDEX ix_Certificate_Table ON etl.Certificate (TableName, CertificateId);
-- Freshness: a repair of single keys and a sweep for deletes make no table fresh either.
DROP VIEW etl.vw_SLABreach;
CREATE VIEW etl.vw_SLABreach AS
SELECT
    sla.TableName,
    sla.Priority,
    sla.SlaHours,
    done.LastSuccessUtc,
    CAST(DATEDIFF_BIG(MILLISECOND, done.LastSuccessUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 AS HoursSinceSuccess,
    CASE
        WHEN done.LastSuccessUtc IS NULL THEN 'BREACH'
        WHEN CAST(DATEDIFF_BIG(MILLISECOND, done.LastSuccessUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 > sla.SlaHours THEN 'BREACH'
        ELSE 'OK'
    END AS SLAStatus
FROM etl.Table_SLA AS sla
LEFT JOIN (
    SELECT TableName, MAX(EndedUtc) AS LastSuccessUtc
    FROM etl.ETL_Log
    WHERE Status = 'success' AND Mode NOT IN ('partition', 'sweep', 'repair')
    GROUP BY TableName
) AS done ON done.TableName = sla.TableName;
