-- Loads carried over from the old pipeline (mode legacy) filled another warehouse: they make no table fresh here.
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
    WHERE Status = 'success' AND Mode NOT IN ('partition', 'sweep', 'repair', 'legacy')
    GROUP BY TableName
) AS done ON done.TableName = sla.TableName;
