SELECT
    TableName, SloName, SLOStatus, Objective, AlertThreshold, Unit, Measured, P50Value, P99Value, EventsTotal, EventsBad, BudgetLeft, BurnRate,
    SinceUtc, EvaluatedUtc
FROM etl.SLO_Status
ORDER BY TableName, SloName;
