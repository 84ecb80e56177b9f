SELECT TableName, SloName, SLOStatus, SinceUtc FROM etl.SLO_Status;
