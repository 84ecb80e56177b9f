SELECT name AS ColumnName FROM pragma_table_info('ETL_Log_old', 'etl');
