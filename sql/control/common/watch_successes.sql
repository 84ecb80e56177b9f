SELECT LogId, Mode, EndedUtc FROM etl.ETL_Log
WHERE TableName = :table_name AND Status = 'success' AND LogId > :log_id
ORDER BY LogId;
