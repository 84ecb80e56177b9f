SELECT
    QuarantineId, TableName, KeyHash, KeyJson, CanRetry, ColumnName, ErrorClass, ErrorMessage, Payload, RunId, LoadSeq,
    FirstSeenUtc, LastSeenUtc, State
FROM etl.Quarantine
ORDER BY TableName, QuarantineId;
