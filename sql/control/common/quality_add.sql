INSERT INTO etl.DataQuality_Log (
    RunId, TableName, LogTs, LoadSeq, Layer, PartitionKey, RuleName, RuleKind, ColumnName, RuleText, Severity, Blocking,
    Verdict, RowsChecked, RowsFailed, PercentFailed, SampleKeys, Seconds, Message
)
VALUES (
    :run_id, :table_name, :log_ts, :seq, :layer, :partition_key, :rule_name, :rule_kind, :column_name, :rule_text, :severity, :blocking,
    :verdict, :rows_checked, :rows_failed, :percent_failed, :sample_keys, :seconds, :message
);
