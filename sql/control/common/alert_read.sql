SELECT AlertKey, Kind, TableName, Severity, State, Episode, SinceUtc, OpenedUtc, SeenUtc, ClosedUtc, NotifiedUtc, Notifications, AckedUtc, AckedBy, Facts
FROM etl.Alert
ORDER BY AlertKey;
