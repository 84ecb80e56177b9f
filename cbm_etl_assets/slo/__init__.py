"""Service level objectives: their definition and their evaluation. Pure: events and a clock in, numbers out; no database.

What others call (alerting and slo are siblings and never import each other; the composition is in `pipeline`):

    pipeline.objectives.measure(control, catalog, settings, now, record=True) -> SloSnapshot
        reads the journal (etl.ETL_Log, etl.DataQuality_Log), evaluates, writes etl.SLO_Status;
        20 ms for 7 tables, 1 CPU-second for 100,000 loads in the 30 days (pages read etl.vw_SLO instead)
    slo.breaches.slo_breaches(snapshot: SloSnapshot) -> list[SloBreach]
        what must be told NOW, pages first; empty when all is well. A condition that no longer holds is no longer in the
        list: opening, reminding and closing is the caller's (one open/closed state a `key`).

    SloBreach(key: str,        stable: 'slo:freshness:client', 'slo:burn:error_rate', 'slo:threshold:latency:client'
              severity: str,   'page' (now, at any hour) | 'ticket' (in working hours)
              kind: str,       'freshness' | 'burn' | 'threshold'
              slo: str,        'availability' | 'latency' | 'error_rate' | 'freshness' | 'quality'
              table: str,      '' = the platform as a whole
              measured: float | None, objective: float, alert: float, unit: str,   e.g. 41.2, 24.0, 36.0, 'h'
              since_utc: datetime | None,
              summary: str)    one English sentence with the numbers
"""
