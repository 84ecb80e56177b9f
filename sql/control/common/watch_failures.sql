-- Failed loads that no later load has healed, and those of the last day. LogTs of a finished row is its end. The first row after a
-- failure of the table mostly heals it, so this costs one look into an index a failed load.
SELECT f.LogId, f.TableName, f.RunId, f.Mode, f.EndedUtc, f.ErrorClass, f.ErrorMessage, f.Attempts
FROM etl.ETL_Log AS f
WHERE f.Status = 'failed' AND f.LogTs >= :since AND (
    f.LogTs >= :started
    OR NOT EXISTS (
        SELECT 1 FROM etl.ETL_Log AS g
        WHERE g.TableName = f.TableName AND g.LogId > f.LogId AND g.Status = 'success'
            AND (g.Mode NOT IN ('partition', 'sweep', 'repair') OR g.Mode = f.Mode)
    )
)
ORDER BY f.LogId;
