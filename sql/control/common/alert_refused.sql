UPDATE etl.Alert_Log SET State = 'refused', LeaseOwner = '', LeaseUtc = NULL, LastError = :error_message
WHERE AlertLogId = :log_id AND State = 'pending';
