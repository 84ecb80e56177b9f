SELECT l.TableName, l.Mode, l.Status, l.StartedUtc, l.EndedUtc, l.DurationSeconds, l.RowsRead, l.RowsInserted, l.RowsUpdated,
    l.RowsUnchanged, l.RowsDeleted, l.RowsQuarantined, l.BytesRead, l.Attempts, l.ErrorClass, l.ErrorMessage
FROM etl.ETL_Log AS l
INNER JOIN (
    SELECT TableName, MAX(LogId) AS LogId
    FROM etl.ETL_Log
    WHERE Layer = 'ods' AND Mode <> 'legacy' AND Status IN ('success', 'failed')
    GROUP BY TableName
) AS latest ON latest.LogId = l.LogId;
