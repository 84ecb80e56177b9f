SELECT TableName, Status, Mode, StartedUtc, COALESCE(EndedUtc, LogTs) AS EndedUtc, DurationSeconds, ErrorClass
FROM etl.ETL_Log
WHERE Layer = 'ods' AND Mode <> 'legacy' AND Status IN ('started', 'success', 'failed') AND LogTs >= :since;
