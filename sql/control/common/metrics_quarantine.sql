SELECT TableName, COUNT(*) AS OpenRows FROM etl.Quarantine WHERE State = 'open' GROUP BY TableName;
