SELECT MAX(LogId) AS LogId FROM etl.ETL_Log WHERE RunId = :run_id AND TableName = :table_name AND Owner = :owner;
