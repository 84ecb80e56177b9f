DELETE FROM etl.DataQuality_Log
WHERE LogTs < :before AND LogId NOT IN (SELECT MAX(LogId) FROM etl.DataQuality_Log GROUP BY TableName, RuleName);
