SELECT TableName, Verdict, COUNT(*) AS Rules
FROM etl.DataQuality_Log
WHERE Verdict <> 'SKIPPED' AND LogTs >= :since
GROUP BY TableName, Verdict;
