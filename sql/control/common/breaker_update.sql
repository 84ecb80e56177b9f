-- The version seen is checked by the write itself: of two contenders one changes the row, the other none.
UPDATE etl.Breaker
SET State = :state, Failures = :failures, OpenedUtc = :opened, NextProbeUtc = :next_probe, ErrorClass = :error_class,
    ErrorMessage = :error_message, FailedUtc = :failed, UpdatedUtc = :now, Version = Version + 1
WHERE Resource = :resource AND Version = :seen_version;
