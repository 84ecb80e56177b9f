INSERT INTO config.ETL_Dependencies (TableName, DependsOn) VALUES (:table_name, :depends_on);
