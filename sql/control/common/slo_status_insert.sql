INSERT INTO etl.SLO_Status (TableName, SloName, SLOStatus, Objective, AlertThreshold, Unit, Measured, P50Value, P99Value, EventsTotal, EventsBad,
    BudgetLeft, BurnRate, PageBurn, TicketBurn, SinceUtc, EvaluatedUtc)
VALUES (:table_name, :slo, :state, :objective, :alert, :unit, :measured, :p50, :p99, :total, :bad,
    :budget_left, :burn, :page_burn, :ticket_burn, :since, :evaluated);
