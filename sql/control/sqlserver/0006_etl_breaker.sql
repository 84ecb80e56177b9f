-- One row a circuit breaker (source, warehouse), shared by all processes. Version: of two writers one wins, the other looks again.
IF OBJECT_ID(N'etl.Breaker', N'U') IS NULL CREATE TABLE etl.Breaker (
    Resource NVARCHAR(50) NOT NULL PRIMARY KEY,
    State NVARCHAR(20) NOT NULL,
    Failures INTEGER NOT NULL,
    OpenedUtc DATETIME2(6),
    NextProbeUtc DATETIME2(6),
    ErrorClass NVARCHAR(100) NOT NULL,
    ErrorMessage NVARCHAR(MAX) NOT NULL,
    FailedUtc DATETIME2(6),
    UpdatedUtc DATETIME2(6) NOT NULL,
    Version BIGINT NOT NULL
);
