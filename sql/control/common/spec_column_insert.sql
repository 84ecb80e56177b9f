INSERT INTO config.ETL_Columns (TableName, ColumnName, SqlName, SourceExpression, IsExcluded, Notes, Ordinal, DataType, Extent, Mask, IsKey)
VALUES (:table_name, :column_name, :sql_name, :expression, :is_excluded, :notes, :ordinal, :data_type, :extent, :mask, :is_key);
