UPDATE etl.Alert
SET Kind = :kind, TableName = :table_name, Severity = :severity, State = :state, Episode = :episode, SinceUtc = :since,
    OpenedUtc = :opened, SeenUtc = :seen, ClosedUtc = :closed, NotifiedUtc = :notified, Notifications = :notifications,
    AckedUtc = :acked, AckedBy = :acked_by, Facts = :facts
WHERE AlertKey = :alert_key;
