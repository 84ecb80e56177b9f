-- The old log: a 'started' row and an end row for each load. {message} is a column of the old log or NULL.
INSERT INTO etl.ETL_Log (RunId, TableName, LogTs, Status, Layer, PartitionKey, Mode, Owner, StartedUtc, EndedUtc, ErrorClass, ErrorMessage)
SELECT
    CAST(o.RunId AS TEXT), o.TableName, o.LogTs, CASE WHEN o.Status = 'started' THEN 'failed' ELSE o.Status END, 'ods', '', 'legacy', 'CBM_ETL',
    COALESCE(s.StartedTs, o.LogTs), o.LogTs, CASE WHEN o.Status = 'started' THEN 'OrphanedRun' END, {message}
FROM etl.ETL_Log_old AS o
LEFT JOIN (
    SELECT RunId, TableName, MIN(LogTs) AS StartedTs FROM etl.ETL_Log_old WHERE Status = 'started' GROUP BY RunId, TableName
) AS s ON s.RunId = o.RunId AND s.TableName = o.TableName
WHERE o.Status <> 'started'
    OR NOT EXISTS (SELECT 1 FROM etl.ETL_Log_old AS e WHERE e.RunId = o.RunId AND e.TableName = o.TableName AND e.Status <> 'started');
