-- Stamps are UTC, except WatermarkTs and HighWaterTs: the source's own wall clock, unchanged.
IF OBJECT_ID(N'etl.ETL_Log', N'U') IS NULL CREATE TABLE etl.ETL_Log (
    LogId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    RunId NVARCHAR(100) NOT NULL,
    TableName NVARCHAR(128) NOT NULL,
    LogTs DATETIME2(6) NOT NULL,
    Status NVARCHAR(20) NOT NULL,
    Layer NVARCHAR(20) NOT NULL,
    PartitionKey NVARCHAR(MAX) NOT NULL,
    Mode NVARCHAR(20) NOT NULL,
    Owner NVARCHAR(300) NOT NULL,
    StartedUtc DATETIME2(6) NOT NULL,
    EndedUtc DATETIME2(6),
    DurationSeconds FLOAT,
    ExtractSeconds FLOAT,
    TransformSeconds FLOAT,
    LoadSeconds FLOAT,
    MergeSeconds FLOAT,
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
    ErrorClass NVARCHAR(100),
    ErrorMessage NVARCHAR(MAX),
    HighWaterTs DATETIME2(6),
    LoadSeq BIGINT
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_ETL_Log_Table' AND object_id = OBJECT_ID(N'etl.ETL_Log'))
CREATE INDEX ix_ETL_Log_Table ON etl.ETL_Log (TableName, LogId);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_ETL_Log_Run' AND object_id = OBJECT_ID(N'etl.ETL_Log'))
CREATE INDEX ix_ETL_Log_Run ON etl.ETL_Log (RunId, LogTs);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_ETL_Log_Status' AND object_id = OBJECT_ID(N'etl.ETL_Log'))
CREATE INDEX ix_ETL_Log_Status ON etl.ETL_Log (Status, LogTs);
IF OBJECT_ID(N'etl.Metrics', N'U') IS NULL CREATE TABLE etl.Metrics (
    MetricId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    RunId NVARCHAR(100) NOT NULL,
    TableName NVARCHAR(128) NOT NULL,
    LogTs DATETIME2(6) NOT NULL,
    MetricName NVARCHAR(100) NOT NULL,
    MetricValue FLOAT NOT NULL
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_Metrics_Table' AND object_id = OBJECT_ID(N'etl.Metrics'))
CREATE INDEX ix_Metrics_Table ON etl.Metrics (TableName, MetricName, LogTs);
IF OBJECT_ID(N'etl.Watermark', N'U') IS NULL CREATE TABLE etl.Watermark (
    TableName NVARCHAR(128) PRIMARY KEY,
    WatermarkTs DATETIME2(6),
    LoadSeq BIGINT NOT NULL,
    RunId NVARCHAR(100) NOT NULL,
    UpdatedUtc DATETIME2(6) NOT NULL
);
IF OBJECT_ID(N'etl.Table_Lock', N'U') IS NULL CREATE TABLE etl.Table_Lock (
    TableName NVARCHAR(128) PRIMARY KEY,
    Owner NVARCHAR(300),
    Token BIGINT NOT NULL,
    AcquiredUtc DATETIME2(6) NOT NULL,
    RenewedUtc DATETIME2(6) NOT NULL,
    ExpiresUtc DATETIME2(6) NOT NULL
);
-- Beside the log and not in config: a view of one SQLite file cannot read another file.
IF OBJECT_ID(N'etl.Table_SLA', N'U') IS NULL CREATE TABLE etl.Table_SLA (
    TableName NVARCHAR(128) PRIMARY KEY,
    Priority NVARCHAR(20) NOT NULL,
    SlaHours FLOAT NOT NULL
);
