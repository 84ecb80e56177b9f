SELECT name AS ObjectName FROM etl.sqlite_master WHERE :schema_name = 'etl' AND type IN ('table', 'view') AND name <> 'Schema_Version'
UNION ALL
SELECT name AS ObjectName FROM config.sqlite_master WHERE :schema_name = 'config' AND type IN ('table', 'view') AND name <> 'Schema_Version';
