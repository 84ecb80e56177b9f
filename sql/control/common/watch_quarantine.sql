SELECT TableName, COUNT(*) AS RowsQuarantined, MIN(FirstSeenUtc) AS FirstSeenUtc FROM etl.Quarantine WHERE State = 'open' GROUP BY TableName;
