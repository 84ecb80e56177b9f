SELECT AlertKey, Kind, TableName, Severity, SinceUtc, AckedUtc FROM etl.Alert WHERE State = 'open' ORDER BY SinceUtc;
