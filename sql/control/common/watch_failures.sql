-- LogTs of a finished row is its end.
SELECT LogId, TableName, RunId, Mode, EndedUtc, ErrorClass, ErrorMessage, Attempts
FROM etl.ETL_Log
WHERE Status = 'failed' AND LogTs >= :since
ORDER BY LogId;
