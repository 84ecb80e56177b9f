SELECT TableName, MAX(StartedUtc) AS StartedUtc
FROM etl.ETL_Log
WHERE Layer = 'ods' AND Status = 'success' AND Mode IN ('full', 'incremental')
GROUP BY TableName;
