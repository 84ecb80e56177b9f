-- One row a bad row of a table, by its key hash; rows without a key hash go by a hash of their content.
IF OBJECT_ID(N'etl.Quarantine', N'U') IS NULL CREATE TABLE etl.Quarantine (
    QuarantineId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    TableName NVARCHAR(128) NOT NULL,
    KeyHash NVARCHAR(64) NOT NULL,
    KeyJson NVARCHAR(MAX) NOT NULL,
    CanRetry INTEGER NOT NULL,
    ColumnName NVARCHAR(200) NOT NULL,
    ErrorClass NVARCHAR(100) NOT NULL,
    ErrorMessage NVARCHAR(MAX) NOT NULL,
    Payload NVARCHAR(MAX) NOT NULL,
    RunId NVARCHAR(100) NOT NULL,
    LoadSeq BIGINT NOT NULL,
    FirstSeenUtc DATETIME2(6) NOT NULL,
    LastSeenUtc DATETIME2(6) NOT NULL,
    State NVARCHAR(20) NOT NULL,
    UNIQUE (TableName, KeyHash)
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_Quarantine_State' AND object_id = OBJECT_ID(N'etl.Quarantine'))
CREATE INDEX ix_Quarantine_State ON etl.Quarantine (State, TableName);
