SELECT TableName, COUNT(*) AS OpenChanges FROM etl.SchemaDrift WHERE ResolvedUtc IS NULL GROUP BY TableName;
