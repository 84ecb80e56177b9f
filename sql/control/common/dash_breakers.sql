SELECT Resource, State, Failures, OpenedUtc, NextProbeUtc, ErrorClass FROM etl.Breaker ORDER BY Resource;
