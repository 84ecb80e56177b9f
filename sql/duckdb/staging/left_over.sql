SELECT table_name
FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'stg' AND regexp_full_match(table_name, $pattern);
