SELECT TableName, COUNT(*) AS OpenRows, MIN(FirstSeenUtc) AS FirstUtc FROM etl.Quarantine WHERE State = 'open' GROUP BY TableName;
