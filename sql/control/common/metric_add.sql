INSERT INTO etl.Metrics (RunId, TableName, LogTs, MetricName, MetricValue) VALUES (:run_id, :table_name, :log_ts, :metric, :value);
