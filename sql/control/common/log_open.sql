SELECT LogId, RunId, Owner, StartedUtc FROM etl.ETL_Log WHERE TableName = :table_name AND Status = 'started';
