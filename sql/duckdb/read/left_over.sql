SELECT table_name
FROM (
    SELECT table_name FROM duckdb_tables() WHERE database_name = current_database() AND schema_name = 'stg'
    UNION ALL
    SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = 'stg'
)
WHERE NOT starts_with(table_name, '_cbm')
ORDER BY table_name;
