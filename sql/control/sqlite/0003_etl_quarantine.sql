-- One row a bad row of a table, by its key hash; rows without a key hash go by a hash of their content.
CREATE TABLE IF NOT EXISTS etl.Quarantine (
    QuarantineId INTEGER PRIMARY KEY AUTOINCREMENT,
    TableName TEXT NOT NULL,
    KeyHash TEXT NOT NULL,
    KeyJson TEXT NOT NULL,
    CanRetry INTEGER NOT NULL,
    ColumnName TEXT NOT NULL,
    ErrorClass TEXT NOT NULL,
    ErrorMessage TEXT NOT NULL,
    Payload TEXT NOT NULL,
    RunId TEXT NOT NULL,
    LoadSeq INTEGER NOT NULL,
    FirstSeenUtc TEXT NOT NULL,
    LastSeenUtc TEXT NOT NULL,
    State TEXT NOT NULL,
    UNIQUE (TableName, KeyHash)
);
CREATE INDEX IF NOT EXISTS etl.ix_Quarantine_State ON Quarantine (State, TableName);
