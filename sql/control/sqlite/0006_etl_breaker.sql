-- One row a circuit breaker (source, warehouse), shared by all processes. Version: of two writers one wins, the other looks again.
CREATE TABLE IF NOT EXISTS etl.Breaker (
    Resource TEXT NOT NULL PRIMARY KEY,
    State TEXT NOT NULL,
    Failures INTEGER NOT NULL,
    OpenedUtc TEXT,
    NextProbeUtc TEXT,
    ErrorClass TEXT NOT NULL,
    ErrorMessage TEXT NOT NULL,
    FailedUtc TEXT,
    UpdatedUtc TEXT NOT NULL,
    Version INTEGER NOT NULL
);
