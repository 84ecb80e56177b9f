SELECT count(*)
FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'stg' AND view_name = $name;
