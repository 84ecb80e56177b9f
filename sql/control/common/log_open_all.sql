SELECT LogId, TableName, RunId, Owner, StartedUtc FROM etl.ETL_Log WHERE Status = 'started';
