-- The last row of each status and mode stays: freshness, vw_LastRuns and the resume of a table need no more.
DELETE FROM etl.ETL_Log
WHERE LogTs < :before AND Status <> 'started'
    AND LogId NOT IN (SELECT MAX(LogId) FROM etl.ETL_Log GROUP BY TableName, Layer, Status, Mode);
