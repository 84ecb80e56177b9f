CREATE VIEW etl.vw_LastRuns AS
SELECT
    TableName, Layer, RunId, Mode, PartitionKey, Status, StartedUtc, EndedUtc, DurationSeconds,
    RowsRead, RowsInserted, RowsUpdated, RowsUnchanged, RowsDeleted, RowsQuarantined, BytesRead,
    Attempts, HighWaterTs, LoadSeq, ErrorClass, ErrorMessage, LogTs, LogId
FROM (
    SELECT l.*, ROW_NUMBER() OVER (PARTITION BY l.TableName, l.Layer ORDER BY l.LogId DESC) AS Recency
    FROM etl.ETL_Log AS l
) AS ranked
WHERE Recency = 1;
CREATE VIEW etl.vw_TablePerformance AS
SELECT
    TableName,
    COUNT(*) AS Runs,
    SUM(CASE WHEN Status = 'success' THEN 1 ELSE 0 END) AS Successes,
    SUM(CASE WHEN Status = 'failed' THEN 1 ELSE 0 END) AS Failures,
    AVG(CASE WHEN Status = 'success' THEN DurationSeconds END) AS AvgSeconds,
    MIN(CASE WHEN Status = 'success' THEN DurationSeconds END) AS MinSeconds,
    MAX(CASE WHEN Status = 'success' THEN DurationSeconds END) AS MaxSeconds,
    AVG(CASE WHEN Status = 'success' THEN ExtractSeconds END) AS AvgExtractSeconds,
    AVG(CASE WHEN Status = 'success' THEN TransformSeconds END) AS AvgTransformSeconds,
    AVG(CASE WHEN Status = 'success' THEN LoadSeconds END) AS AvgLoadSeconds,
    AVG(CASE WHEN Status = 'success' THEN MergeSeconds END) AS AvgMergeSeconds,
    CAST(SUM(CASE WHEN Status = 'success' THEN RowsRead ELSE 0 END) AS BIGINT) AS RowsRead,
    SUM(CASE WHEN Status = 'success' THEN RowsRead ELSE 0 END)
        / NULLIF(SUM(CASE WHEN Status = 'success' THEN DurationSeconds ELSE 0 END), 0) AS RowsPerSecond,
    MAX(CASE WHEN Status = 'success' THEN EndedUtc END) AS LastSuccessUtc
FROM etl.ETL_Log
WHERE StartedUtc >= DATEADD(DAY, -7, SYSUTCDATETIME())
    AND Status IN ('success', 'failed')
GROUP BY TableName;
-- A backfill of an old partition makes no table fresh: only loads of the whole table or of its new rows count.
CREATE VIEW etl.vw_SLABreach AS
SELECT
    sla.TableName,
    sla.Priority,
    sla.SlaHours,
    done.LastSuccessUtc,
    CAST(DATEDIFF_BIG(MILLISECOND, done.LastSuccessUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 AS HoursSinceSuccess,
    CASE
        WHEN done.LastSuccessUtc IS NULL THEN 'BREACH'
        WHEN CAST(DATEDIFF_BIG(MILLISECOND, done.LastSuccessUtc, SYSUTCDATETIME()) AS FLOAT) / 3600000 > sla.SlaHours THEN 'BREACH'
        ELSE 'OK'
    END AS SLAStatus
FROM etl.Table_SLA AS sla
LEFT JOIN (
    SELECT TableName, MAX(EndedUtc) AS LastSuccessUtc
    FROM etl.ETL_Log
    WHERE Status = 'success' AND Mode <> 'partition'
    GROUP BY TableName
) AS done ON done.TableName = sla.TableName;
