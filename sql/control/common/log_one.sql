SELECT TableName, Mode, StartedUtc FROM etl.ETL_Log WHERE LogId = :log_id;
