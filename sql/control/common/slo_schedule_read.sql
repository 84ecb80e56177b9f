SELECT TableName, Cron, Timezone, KnownUtc, ScheduledUtc FROM etl.SLO_Schedule;
