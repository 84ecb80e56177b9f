DELETE FROM etl.DQ_Declared WHERE TableName = :table_name;
