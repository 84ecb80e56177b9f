UPDATE etl.ETL_Log
SET Status = 'failed', LogTs = :ended, EndedUtc = :ended, ErrorClass = 'OrphanedRun', ErrorMessage = 'orphan of a killed run'
WHERE LogId = :log_id AND Status = 'started';
