SELECT tablename::text FROM pg_tables WHERE schemaname = 'stg' AND tablename ~ $pattern::text ORDER BY tablename;
