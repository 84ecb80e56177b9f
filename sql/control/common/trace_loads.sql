SELECT TableName, Layer, Mode, PartitionKey, Status, StartedUtc, EndedUtc, ExtractSeconds, TransformSeconds, LoadSeconds, MergeSeconds,
    RowsRead, RowsInserted, RowsUpdated, RowsDeleted, RowsQuarantined, BytesRead, Attempts, LoadSeq, ErrorClass
FROM etl.ETL_Log
WHERE RunId = :run_id AND EndedUtc IS NOT NULL
ORDER BY LogId;
