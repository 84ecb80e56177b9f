-- One row a verification: source rows read anew against ODS rows read back. VerifiedThroughTs is the source's wall clock.
CREATE TABLE IF NOT EXISTS etl.Certificate (
    CertificateId INTEGER PRIMARY KEY AUTOINCREMENT,
    RunId TEXT NOT NULL,
    TableName TEXT NOT NULL,
    Status TEXT NOT NULL,
    StartedUtc TEXT NOT NULL,
    EndedUtc TEXT NOT NULL,
    VerifiedThroughTs TEXT,
    LoadSeq INTEGER NOT NULL,
    RowsSource INTEGER NOT NULL,
    RowsOds INTEGER NOT NULL,
    KeysMissing INTEGER NOT NULL,
    KeysExtra INTEGER NOT NULL,
    KeysDifferent INTEGER NOT NULL,
    KeysPending INTEGER NOT NULL,
    KeysQuarantined INTEGER NOT NULL,
    KeysFingerprintSource TEXT NOT NULL,
    KeysFingerprintOds TEXT NOT NULL,
    RowsFingerprintSource TEXT NOT NULL,
    RowsFingerprintOds TEXT NOT NULL,
    BucketsDifferent INTEGER NOT NULL,
    ColumnsJson TEXT NOT NULL,
    KeysJson TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS etl.ix_Certificate_Table ON Certificate (TableName, CertificateId);
-- Freshness: a repair of single keys and a sweep for deletes make no table fresh either.
DROP VIEW etl.vw_SLABreach;
CREATE VIEW etl.vw_SLABreach AS
SELECT
    sla.TableName,
    sla.Priority,
    sla.SlaHours,
    done.LastSuccessUtc,
    (julianday('now') - julianday(done.LastSuccessUtc)) * 24.0 AS HoursSinceSuccess,
    CASE
        WHEN done.LastSuccessUtc IS NULL THEN 'BREACH'
        WHEN (julianday('now') - julianday(done.LastSuccessUtc)) * 24.0 > sla.SlaHours THEN 'BREACH'
        ELSE 'OK'
    END AS SLAStatus
FROM Table_SLA AS sla
LEFT JOIN (
    SELECT TableName, MAX(EndedUtc) AS LastSuccessUtc
    FROM ETL_Log
    WHERE Status = 'success' AND Mode NOT IN ('partition', 'sweep', 'repair')
    GROUP BY TableName
) AS done ON done.TableName = sla.TableName;
