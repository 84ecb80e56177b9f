DELETE FROM etl.Table_SLA WHERE TableName = :table_name;
