SELECT TableName, Rules, BlockingRules, RejectRules, ColumnsTotal, ColumnsCovered FROM etl.DQ_Declared ORDER BY TableName;
