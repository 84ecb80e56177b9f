SELECT AlertKey, Kind, TableName, Severity, SinceUtc, OpenedUtc, NotifiedUtc, AckedUtc, AckedBy, Facts
FROM etl.Alert
WHERE State = 'open'
ORDER BY OpenedUtc, AlertKey;
