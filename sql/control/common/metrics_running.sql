SELECT TableName, COUNT(*) AS Loads FROM etl.ETL_Log WHERE Status = 'started' GROUP BY TableName;
