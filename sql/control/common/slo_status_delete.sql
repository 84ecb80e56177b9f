DELETE FROM etl.SLO_Status;
