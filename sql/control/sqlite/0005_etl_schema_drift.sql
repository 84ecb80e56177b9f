-- One row a change of the source's schema, written once when a load first meets it. ResolvedUtc: the spec or the source followed.
CREATE TABLE IF NOT EXISTS etl.SchemaDrift (
    DriftId INTEGER PRIMARY KEY AUTOINCREMENT,
    TableName TEXT NOT NULL,
    ChangeKind TEXT NOT NULL,
    ChangeClass TEXT NOT NULL,
    ColumnName TEXT NOT NULL,
    BeforeText TEXT NOT NULL,
    AfterText TEXT NOT NULL,
    Notes TEXT NOT NULL,
    Consequence TEXT NOT NULL,
    RunId TEXT NOT NULL,
    FoundUtc TEXT NOT NULL,
    ResolvedUtc TEXT
);
CREATE INDEX IF NOT EXISTS etl.ix_SchemaDrift_Table ON SchemaDrift (TableName, DriftId);
