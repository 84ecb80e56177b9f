UPDATE etl.Alert SET AckedUtc = :now, AckedBy = :acked_by WHERE AlertKey = :alert_key AND State = 'open';
