-- Whoever holds the lease by now: it was taken by the other side, and must not go out again.
UPDATE etl.Alert_Log SET State = 'sent', SentUtc = :now, LeaseOwner = '', LeaseUtc = NULL, LastError = '' WHERE AlertLogId = :log_id;
