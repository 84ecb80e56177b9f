INSERT INTO etl.DQ_Declared (TableName, Rules, BlockingRules, RejectRules, ColumnsTotal, ColumnsCovered)
VALUES (:table_name, :rules, :blocking_rules, :reject_rules, :columns_total, :columns_covered);
