SELECT TableName, MIN(StartedUtc) AS StartedUtc FROM etl.ETL_Log WHERE Mode <> 'legacy' GROUP BY TableName;
