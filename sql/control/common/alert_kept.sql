UPDATE etl.Alert_Log SET DueUtc = :due, LeaseOwner = '', LeaseUtc = NULL, LastError = :error_message
WHERE AlertLogId = :log_id AND LeaseOwner = :owner AND State = 'pending';
