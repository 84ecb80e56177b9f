INSERT INTO etl.Watermark (TableName, WatermarkTs, LoadSeq, RunId, UpdatedUtc) VALUES (:table_name, :watermark, :seq, :run_id, :updated);
