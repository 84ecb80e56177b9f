SELECT
    LogId, RunId, TableName, Mode, Status, PartitionKey, StartedUtc, EndedUtc, DurationSeconds, RowsRead, RowsInserted, RowsUpdated,
    RowsDeleted, BytesRead, ErrorClass
FROM etl.ETL_Log
WHERE LogId > :after AND StartedUtc >= :since AND Layer = 'ods'
ORDER BY LogId;
