INSERT INTO etl.Alert_Log (
    DedupeKey, AlertKey, Kind, TableName, Severity, EventName, RouteName, Payload, State, CreatedUtc, DueUtc, Attempts, LeaseOwner, LastError
)
VALUES (
    :dedupe_key, :alert_key, :kind, :table_name, :severity, :event_name, :route_name, :payload, 'pending', :now, :due, 0, '', ''
);
