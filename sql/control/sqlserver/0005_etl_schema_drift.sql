-- One row a change of the source's schema, written once when a load first meets it. ResolvedUtc: the spec or the source followed.
IF OBJECT_ID(N'etl.SchemaDrift', N'U') IS NULL CREATE TABLE etl.SchemaDrift (
    DriftId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    TableName NVARCHAR(128) NOT NULL,
    ChangeKind NVARCHAR(20) NOT NULL,
    ChangeClass NVARCHAR(20) NOT NULL,
    ColumnName NVARCHAR(128) NOT NULL,
    BeforeText NVARCHAR(200) NOT NULL,
    AfterText NVARCHAR(200) NOT NULL,
    Notes NVARCHAR(MAX) NOT NULL,
    Consequence NVARCHAR(20) NOT NULL,
    RunId NVARCHAR(100) NOT NULL,
    FoundUtc DATETIME2(6) NOT NULL,
    ResolvedUtc DATETIME2(6)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_SchemaDrift_Table' AND object_id = OBJECT_ID(N'etl.SchemaDrift'))
CREATE INDEX ix_SchemaDrift_Table ON etl.SchemaDrift (TableName, DriftId);
