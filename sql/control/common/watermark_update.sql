UPDATE etl.Watermark SET WatermarkTs = :watermark, LoadSeq = :seq, RunId = :run_id, UpdatedUtc = :updated WHERE TableName = :table_name;
