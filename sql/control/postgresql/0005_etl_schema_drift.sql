-- One row a change of the source's schema, written once when a load first meets it. ResolvedUtc: the spec or the source followed.
CREATE TABLE IF NOT EXISTS etl.SchemaDrift (
    DriftId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    TableName VARCHAR(128) NOT NULL,
    ChangeKind VARCHAR(20) NOT NULL,
    ChangeClass VARCHAR(20) NOT NULL,
    ColumnName VARCHAR(128) NOT NULL,
    BeforeText VARCHAR(200) NOT NULL,
    AfterText VARCHAR(200) NOT NULL,
    Notes TEXT NOT NULL,
    Consequence VARCHAR(20) NOT NULL,
    RunId VARCHAR(100) NOT NULL,
    FoundUtc TIMESTAMP NOT NULL,
    ResolvedUtc TIMESTAMP
);
CREATE INDEX IF NOT EXISTS ix_SchemaDrift_Table ON etl.SchemaDrift (TableName, DriftId);
