INSERT INTO etl.Breaker (
    Resource, State, Failures, OpenedUtc, NextProbeUtc, ErrorClass, ErrorMessage, FailedUtc, UpdatedUtc, Version
)
VALUES (:resource, :state, :failures, :opened, :next_probe, :error_class, :error_message, :failed, :now, 1);
