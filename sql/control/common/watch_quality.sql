SELECT q.TableName, q.RunId, q.LogTs, q.Layer, q.RuleName, q.Severity, q.Blocking, q.RowsFailed, q.Message
FROM etl.DataQuality_Log AS q
JOIN (SELECT TableName, MAX(LogId) AS LastId FROM etl.DataQuality_Log GROUP BY TableName) AS newest ON newest.TableName = q.TableName
JOIN etl.DataQuality_Log AS l ON l.LogId = newest.LastId AND l.RunId = q.RunId
WHERE q.Verdict = 'FAILED'
ORDER BY q.LogId;
