SELECT table_name
FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'stg' AND NOT starts_with(table_name, '_cbm')
ORDER BY table_name;
