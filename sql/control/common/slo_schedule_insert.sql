INSERT INTO etl.SLO_Schedule (TableName, Cron, Timezone, KnownUtc, ScheduledUtc)
VALUES (:table_name, :cron, :timezone, :known, :scheduled);
