SELECT
    LogId, TableName, LogTs, Layer, RuleName, RuleKind, ColumnName, RuleText, Severity, Verdict, RowsChecked, RowsFailed, PercentFailed
FROM etl.DataQuality_Log
WHERE LogId > :after AND LogTs >= :since
ORDER BY LogId;
