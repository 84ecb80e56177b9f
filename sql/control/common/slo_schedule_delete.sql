DELETE FROM etl.SLO_Schedule WHERE TableName = :table_name;
