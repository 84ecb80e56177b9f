-- Stamps are UTC, except WatermarkTs and HighWaterTs: the source's own wall clock, unchanged.
CREATE TABLE IF NOT EXISTS etl.ETL_Log (
    LogId INTEGER PRIMARY KEY AUTOINCREMENT,
    RunId TEXT NOT NULL,
    TableName TEXT NOT NULL,
    LogTs TEXT NOT NULL,
    Status TEXT NOT NULL,
    Layer TEXT NOT NULL,
    PartitionKey TEXT NOT NULL,
    Mode TEXT NOT NULL,
    Owner TEXT NOT NULL,
    StartedUtc TEXT NOT NULL,
    EndedUtc TEXT,
    DurationSeconds REAL,
    ExtractSeconds REAL,
    TransformSeconds REAL,
    LoadSeconds REAL,
    MergeSeconds REAL,
    RowsRead INTEGER,
    RowsInserted INTEGER,
    RowsUpdated INTEGER,
    RowsUnchanged INTEGER,
    RowsSuperseded INTEGER,
    RowsResurrected INTEGER,
    RowsDeduplicated INTEGER,
    RowsQuarantined INTEGER,
    RowsFiltered INTEGER,
    RowsDeleted INTEGER,
    BytesRead INTEGER,
    Attempts INTEGER,
    ErrorClass TEXT,
    ErrorMessage TEXT,
    HighWaterTs TEXT,
    LoadSeq INTEGER
);
CREATE INDEX IF NOT EXISTS etl.ix_ETL_Log_Table ON ETL_Log (TableName, LogId);
CREATE INDEX IF NOT EXISTS etl.ix_ETL_Log_Run ON ETL_Log (RunId, LogTs);
CREATE INDEX IF NOT EXISTS etl.ix_ETL_Log_Status ON ETL_Log (Status, LogTs);
CREATE TABLE IF NOT EXISTS etl.Metrics (
    MetricId INTEGER PRIMARY KEY AUTOINCREMENT,
    RunId TEXT NOT NULL,
    TableName TEXT NOT NULL,
    LogTs TEXT NOT NULL,
    MetricName TEXT NOT NULL,
    MetricValue REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS etl.ix_Metrics_Table ON Metrics (TableName, MetricName, LogTs);
CREATE TABLE IF NOT EXISTS etl.Watermark (
    TableName TEXT PRIMARY KEY,
    WatermarkTs TEXT,
    LoadSeq INTEGER NOT NULL,
    RunId TEXT NOT NULL,
    UpdatedUtc TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS etl.Table_Lock (
    TableName TEXT PRIMARY KEY,
    Owner TEXT,
    Token INTEGER NOT NULL,
    AcquiredUtc TEXT NOT NULL,
    RenewedUtc TEXT NOT NULL,
    ExpiresUtc TEXT NOT NULL
);
-- Beside the log and not in config: a view of one SQLite file cannot read another file.
CREATE TABLE IF NOT EXISTS etl.Table_SLA (
    TableName TEXT PRIMARY KEY,
    Priority TEXT NOT NULL,
    SlaHours REAL NOT NULL
);
