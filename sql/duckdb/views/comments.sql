-- What is described already: '' is the table itself.
SELECT '' AS column_name, coalesce(comment, '') AS described
FROM duckdb_tables()
WHERE database_name = current_database() AND schema_name = 'ods' AND table_name = ?
UNION ALL
SELECT column_name, coalesce(comment, '')
FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = 'ods' AND table_name = ?;
