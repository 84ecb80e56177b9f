SELECT
    AlertLogId, DedupeKey, AlertKey, Kind, TableName, Severity, EventName, RouteName, Payload, State, CreatedUtc, DueUtc,
    Attempts, SentUtc, LastError
FROM etl.Alert_Log
WHERE State <> 'sent'
ORDER BY AlertLogId;
