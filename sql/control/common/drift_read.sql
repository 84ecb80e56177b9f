SELECT
    DriftId, TableName, ChangeKind, ChangeClass, ColumnName, BeforeText, AfterText, Notes, Consequence, RunId, FoundUtc, ResolvedUtc
FROM etl.SchemaDrift
WHERE TableName = :table_name
ORDER BY DriftId;
