SELECT TableName, ChangeKind, ChangeClass, ColumnName, BeforeText, AfterText, Consequence, FoundUtc
FROM etl.SchemaDrift
WHERE ResolvedUtc IS NULL
ORDER BY TableName, DriftId;
