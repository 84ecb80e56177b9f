UPDATE etl.ETL_Log
SET LogTs = :ended, Status = :status, Mode = :mode, EndedUtc = :ended, DurationSeconds = :duration,
    ExtractSeconds = :extract_seconds, TransformSeconds = :transform_seconds, LoadSeconds = :load_seconds, MergeSeconds = :merge_seconds,
    RowsRead = :read, RowsInserted = :inserted, RowsUpdated = :updated, RowsUnchanged = :unchanged, RowsSuperseded = :superseded,
    RowsResurrected = :resurrected, RowsDeduplicated = :deduplicated, RowsQuarantined = :quarantined, RowsFiltered = :filtered,
    RowsDeleted = :deleted, BytesRead = :bytes, Attempts = :attempts, ErrorClass = :error_class, ErrorMessage = :error_message,
    HighWaterTs = :high_water, LoadSeq = :seq
WHERE LogId = :log_id;
