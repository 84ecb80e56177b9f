-- One row a verification: source rows read anew against ODS rows read back. VerifiedThroughTs is the source's wall clock.
CREATE TABLE IF NOT EXISTS etl.Certificate (
    CertificateId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    RunId VARCHAR(100) NOT NULL,
    TableName VARCHAR(128) NOT NULL,
    Status VARCHAR(20) NOT NULL,
    StartedUtc TIMESTAMP NOT NULL,
    EndedUtc TIMESTAMP NOT NULL,
    VerifiedThroughTs TIMESTAMP,
    LoadSeq BIGINT NOT NULL,
    RowsSource BIGINT NOT NULL,
    RowsOds BIGINT NOT NULL,
    KeysMissing BIGINT NOT NULL,
    KeysExtra BIGINT NOT NULL,
    KeysDifferent BIGINT NOT NULL,
    KeysPending BIGINT NOT NULL,
    KeysQuarantined BIGINT NOT NULL,
    KeysFingerprintSource VARCHAR(64) NOT NULL,
    KeysFingerprintOds VARCHAR(64) NOT NULL,
    RowsFingerprintSource VARCHAR(64) NOT NULL,
    RowsFingerprintOds VARCHAR(64) NOT NULL,
    BucketsDifferent INTEGER NOT NULL,
    ColumnsJson TEXT NOT NULL,
    KeysJson TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_Certificate_Table ON etl.Certificate (TableName, CertificateId);
-- Freshness: a repair of single keys and a sweep for deletes make no table fresh either.
DROP VIEW etl.vw_SLABreach;
CREATE VIEW etl.vw_SLABreach AS
SELECT
    sla.TableName,
    sla.Priority,
    sla.SlaHours,
    done.LastSuccessUtc,
    CAST(EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP AT TIME ZONE 'UTC') - done.LastSuccessUtc) AS DOUBLE PRECISION) / 3600.0 AS HoursSinceSuccess,
    CASE
        WHEN done.LastSuccessUtc IS NULL THEN 'BREACH'
        WHEN CAST(EXTRACT(EPOCH FROM (CURRENT_TIMESTAMP AT TIME ZONE 'UTC') - done.LastSuccessUtc) AS DOUBLE PRECISION) / 3600.0 > sla.SlaHours THEN 'BREACH'
        ELSE 'OK'
    END AS SLAStatus
FROM etl.Table_SLA AS sla
LEFT JOIN (
    SELECT TableName, MAX(EndedUtc) AS LastSuccessUtc
    FROM etl.ETL_Log
    WHERE Status = 'success' AND Mode NOT IN ('partition', 'sweep', 'repair')
    GROUP BY TableName
) AS done ON done.TableName = sla.TableName;
