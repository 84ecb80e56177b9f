SELECT StartedUtc, RowsRead
FROM etl.ETL_Log
WHERE TableName = :table_name AND Status = 'success' AND Mode = :mode AND StartedUtc >= :since
ORDER BY LogId;
