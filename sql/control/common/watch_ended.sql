SELECT LogId, TableName, RunId, Mode, Status, EndedUtc, DurationSeconds, Attempts, RowsRead, RowsInserted, RowsUpdated, RowsDeleted
FROM etl.ETL_Log
WHERE Status IN ('success', 'failed') AND LogTs >= :since
ORDER BY LogId;
