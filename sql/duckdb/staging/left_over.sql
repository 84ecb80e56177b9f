SELECT table_name
FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'stg' AND regexp_full_match(table_name, $pattern)
UNION ALL
SELECT view_name
FROM duckdb_views()
WHERE database_name = current_database() AND schema_name = 'stg' AND regexp_full_match(view_name, $pattern);
