-- Loads carried over from the old pipeline (mode legacy) filled another warehouse: they make no table fresh here.
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
    WHERE Status = 'success' AND Mode NOT IN ('partition', 'sweep', 'repair', 'legacy')
    GROUP BY TableName
) AS done ON done.TableName = sla.TableName;
