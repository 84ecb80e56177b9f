UPDATE etl.Quarantine
SET
    KeyJson = :key_json, CanRetry = :can_retry, ColumnName = :column_name, ErrorClass = :error_class, ErrorMessage = :error_message,
    Payload = :payload, RunId = :run_id, LoadSeq = :seq, LastSeenUtc = :now,
    FirstSeenUtc = CASE WHEN State = 'healed' THEN :now ELSE FirstSeenUtc END,
    State = CASE WHEN State = 'dropped' THEN 'dropped' ELSE 'open' END
WHERE TableName = :table_name AND KeyHash = :key_hash;
