INSERT INTO etl.Alert (
    AlertKey, Kind, TableName, Severity, State, Episode, SinceUtc, OpenedUtc, SeenUtc, ClosedUtc, NotifiedUtc, Notifications,
    AckedUtc, AckedBy, Facts
)
VALUES (
    :alert_key, :kind, :table_name, :severity, :state, :episode, :since, :opened, :seen, :closed, :notified, :notifications,
    :acked, :acked_by, :facts
);
