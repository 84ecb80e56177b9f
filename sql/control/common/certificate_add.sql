INSERT INTO etl.Certificate (
    RunId, TableName, Status, StartedUtc, EndedUtc, VerifiedThroughTs, LoadSeq, RowsSource, RowsOds,
    KeysMissing, KeysExtra, KeysDifferent, KeysPending, KeysQuarantined,
    KeysFingerprintSource, KeysFingerprintOds, RowsFingerprintSource, RowsFingerprintOds, BucketsDifferent, ColumnsJson, KeysJson
)
VALUES (
    :run_id, :table_name, :status, :started, :ended, :verified_through, :seq, :rows_source, :rows_ods,
    :missing, :extra, :different, :pending, :quarantined,
    :keys_source, :keys_ods, :content_source, :content_ods, :buckets_different, :columns, :keys
);
