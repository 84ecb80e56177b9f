SELECT tablename::text FROM pg_tables WHERE schemaname = 'stg' AND NOT starts_with(tablename::text, '_cbm') ORDER BY tablename;
