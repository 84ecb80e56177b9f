-- One row a circuit breaker (source, warehouse), shared by all processes. Version: of two writers one wins, the other looks again.
CREATE TABLE IF NOT EXISTS etl.Breaker (
    Resource VARCHAR(50) NOT NULL PRIMARY KEY,
    State VARCHAR(20) NOT NULL,
    Failures INTEGER NOT NULL,
    OpenedUtc TIMESTAMP,
    NextProbeUtc TIMESTAMP,
    ErrorClass VARCHAR(100) NOT NULL,
    ErrorMessage TEXT NOT NULL,
    FailedUtc TIMESTAMP,
    UpdatedUtc TIMESTAMP NOT NULL,
    Version BIGINT NOT NULL
);
