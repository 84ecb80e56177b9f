INSERT INTO etl.ETL_Log (RunId, TableName, LogTs, Status, Layer, PartitionKey, Mode, Owner, StartedUtc)
VALUES (:run_id, :table_name, :started, 'started', :layer, :partition_key, :mode, :owner, :started);
