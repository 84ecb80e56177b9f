SELECT Resource, State, Failures, OpenedUtc, NextProbeUtc, ErrorClass, ErrorMessage, FailedUtc, Version FROM etl.Breaker
ORDER BY Resource;
