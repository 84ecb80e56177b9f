-- What is described already: '' is the table itself.
SELECT '' AS column_name, coalesce(obj_description(to_regclass(format('ods.%I', $1::text)), 'pg_class'), '') AS described
WHERE to_regclass(format('ods.%I', $1::text)) IS NOT NULL
UNION ALL
SELECT a.attname::text, coalesce(col_description(a.attrelid, a.attnum), '')
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(format('ods.%I', $2::text)) AND a.attnum > 0 AND NOT a.attisdropped;
