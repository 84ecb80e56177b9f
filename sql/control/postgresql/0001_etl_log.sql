-- Stamps are UTC, except WatermarkTs and HighWaterTs: the source's own wall clock, unchanged.
CREATE TABLE IF NOT EXISTS etl.ETL_Log (
    LogId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    RunId VARCHAR(100) NOT NULL,
    TableName VARCHAR(128) NOT NULL,
    LogTs TIMESTAMP NOT NULL,
    Status VARCHAR(20) NOT NULL,
    Layer VARCHAR(20) NOT NULL,
    PartitionKey TEXT NOT NULL,
    Mode VARCHAR(20) NOT NULL,
    Owner VARCHAR(300) NOT NULL,
    StartedUtc TIMESTAMP NOT NULL,
    EndedUtc TIMESTAMP,
    DurationSeconds DOUBLE PRECISION,
    ExtractSeconds DOUBLE PRECISION,
    TransformSeconds DOUBLE PRECISION,
    LoadSeconds DOUBLE PRECISION,
    MergeSeconds DOUBLE PRECISION,
    RowsRead BIGINT,
    RowsInserted BIGINT,
    RowsUpdated BIGINT,
    RowsUnchanged BIGINT,
    RowsSuperseded BIGINT,
    RowsResurrected BIGINT,
    RowsDeduplicated BIGINT,
    RowsQuarantined BIGINT,
    RowsFiltered BIGINT,
    RowsDeleted BIGINT,
    BytesRead BIGINT,
    Attempts INTEGER,
    ErrorClass VARCHAR(100),
    ErrorMessage TEXT,
    HighWaterTs TIMESTAMP,
    LoadSeq BIGINT
);
CREATE INDEX IF NOT EXISTS ix_ETL_Log_Table ON etl.ETL_Log (TableName, LogId);
CREATE INDEX IF NOT EXISTS ix_ETL_Log_Run ON etl.ETL_Log (RunId, LogTs);
CREATE INDEX IF NOT EXISTS ix_ETL_Log_Status ON etl.ETL_Log (Status, LogTs);
CREATE TABLE IF NOT EXISTS etl.Metrics (
    MetricId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    RunId VARCHAR(100) NOT NULL,
    TableName VARCHAR(128) NOT NULL,
    LogTs TIMESTAMP NOT NULL,
    MetricName VARCHAR(100) NOT NULL,
    MetricValue DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_Metrics_Table ON etl.Metrics (TableName, MetricName, LogTs);
CREATE TABLE IF NOT EXISTS etl.Watermark (
    TableName VARCHAR(128) PRIMARY KEY,
    WatermarkTs TIMESTAMP,
    LoadSeq BIGINT NOT NULL,
    RunId VARCHAR(100) NOT NULL,
    UpdatedUtc TIMESTAMP NOT NULL
);
CREATE TABLE IF NOT EXISTS etl.Table_Lock (
    TableName VARCHAR(128) PRIMARY KEY,
    Owner VARCHAR(300),
    Token BIGINT NOT NULL,
    AcquiredUtc TIMESTAMP NOT NULL,
    RenewedUtc TIMESTAMP NOT NULL,
    ExpiresUtc TIMESTAMP NOT NULL
);
-- Beside the log and not in config: a view of one SQLite file cannot read another file.
CREATE TABLE IF NOT EXISTS etl.Table_SLA (
    TableName VARCHAR(128) PRIMARY KEY,
    Priority VARCHAR(20) NOT NULL,
    SlaHours DOUBLE PRECISION NOT NULL
);
