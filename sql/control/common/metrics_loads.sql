SELECT TableName, Status, COUNT(*) AS Loads, SUM(COALESCE(RowsRead, 0)) AS RowsRead
FROM etl.ETL_Log
WHERE Layer = 'ods' AND Mode <> 'legacy' AND LogTs >= :since
GROUP BY TableName, Status;
