SELECT AlertLogId FROM etl.Alert_Log WHERE DedupeKey = :dedupe_key;
