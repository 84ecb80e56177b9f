INSERT INTO etl.Table_SLA (TableName, Priority, SlaHours) VALUES (:table_name, :priority, :sla_hours);
