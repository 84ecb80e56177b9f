INSERT INTO etl.SchemaDrift (
    TableName, ChangeKind, ChangeClass, ColumnName, BeforeText, AfterText, Notes, Consequence, RunId, FoundUtc, ResolvedUtc
)
VALUES (:table_name, :kind, :change_class, :column_name, :before, :after, :notes, :consequence, :run_id, :now, NULL);
