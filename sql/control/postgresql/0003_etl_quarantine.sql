-- One row a bad row of a table, by its key hash; rows without a key hash go by a hash of their content.
CREATE TABLE IF NOT EXISTS etl.Quarantine (
    QuarantineId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    TableName VARCHAR(128) NOT NULL,
    KeyHash CHAR(64) NOT NULL,
    KeyJson TEXT NOT NULL,
    CanRetry INTEGER NOT NULL,
    ColumnName VARCHAR(200) NOT NULL,
    ErrorClass VARCHAR(100) NOT NULL,
    ErrorMessage TEXT NOT NULL,
    Payload TEXT NOT NULL,
    RunId VARCHAR(100) NOT NULL,
    LoadSeq BIGINT NOT NULL,
    FirstSeenUtc TIMESTAMP NOT NULL,
    LastSeenUtc TIMESTAMP NOT NULL,
    State VARCHAR(20) NOT NULL,
    UNIQUE (TableName, KeyHash)
);
CREATE INDEX IF NOT EXISTS ix_Quarantine_State ON etl.Quarantine (State, TableName);
