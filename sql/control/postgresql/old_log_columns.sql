SELECT column_name AS ColumnName FROM information_schema.columns WHERE table_schema = 'etl_old' AND table_name = 'etl_log';
