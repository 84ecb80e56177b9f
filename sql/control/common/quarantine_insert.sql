INSERT INTO etl.Quarantine (
    TableName, KeyHash, KeyJson, CanRetry, ColumnName, ErrorClass, ErrorMessage, Payload, RunId, LoadSeq, FirstSeenUtc, LastSeenUtc, State
)
VALUES (
    :table_name, :key_hash, :key_json, :can_retry, :column_name, :error_class, :error_message, :payload, :run_id, :seq, :now, :now, 'open'
);
