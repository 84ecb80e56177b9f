-- One row a rule a load, or a rule a validation. SampleKeys is JSON, masked columns masked. LogTs is UTC.
CREATE TABLE IF NOT EXISTS etl.DataQuality_Log (
    LogId INTEGER PRIMARY KEY AUTOINCREMENT,
    RunId TEXT NOT NULL,
    TableName TEXT NOT NULL,
    LogTs TEXT NOT NULL,
    LoadSeq INTEGER NOT NULL,
    Layer TEXT NOT NULL,
    PartitionKey TEXT NOT NULL,
    RuleName TEXT NOT NULL,
    RuleKind TEXT NOT NULL,
    ColumnName TEXT NOT NULL,
    RuleText TEXT NOT NULL,
    Severity TEXT NOT NULL,
    Blocking INTEGER NOT NULL,
    Verdict TEXT NOT NULL,
    RowsChecked INTEGER NOT NULL,
    RowsFailed INTEGER NOT NULL,
    PercentFailed REAL NOT NULL,
    SampleKeys TEXT NOT NULL,
    Seconds REAL NOT NULL,
    Message TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS etl.ix_DataQuality_Log_Table ON DataQuality_Log (TableName, LogId);
CREATE INDEX IF NOT EXISTS etl.ix_DataQuality_Log_Run ON DataQuality_Log (RunId, TableName);
CREATE INDEX IF NOT EXISTS etl.ix_DataQuality_Log_Ts ON DataQuality_Log (LogTs, TableName);
-- What the specs declare, so that a table without any rule shows in the coverage too.
CREATE TABLE IF NOT EXISTS etl.DQ_Declared (
    TableName TEXT PRIMARY KEY,
    Rules INTEGER NOT NULL,
    BlockingRules INTEGER NOT NULL,
    RejectRules INTEGER NOT NULL,
    ColumnsTotal INTEGER NOT NULL,
    ColumnsCovered INTEGER NOT NULL
);
-- The last run of a table whose rules were evaluated, and its worst verdict. QualityPercent: rules passed of rules evaluated.
CREATE VIEW etl.vw_DQ_Summary AS
SELECT
    q.TableName,
    q.RunId,
    MAX(q.LogTs) AS LogTs,
    MAX(q.LoadSeq) AS LoadSeq,
    COUNT(*) AS Rules,
    SUM(CASE WHEN q.Verdict = 'VALID' THEN 1 ELSE 0 END) AS Valid,
    SUM(CASE WHEN q.Verdict = 'WARNING' THEN 1 ELSE 0 END) AS Warnings,
    SUM(CASE WHEN q.Verdict = 'FAILED' THEN 1 ELSE 0 END) AS Failed,
    SUM(CASE WHEN q.Verdict = 'SKIPPED' THEN 1 ELSE 0 END) AS Skipped,
    SUM(CASE WHEN q.Verdict = 'FAILED' AND q.Blocking = 1 THEN 1 ELSE 0 END) AS BlockingFailed,
    CAST(SUM(q.RowsFailed) AS BIGINT) AS RowsFailed,
    CASE
        WHEN SUM(CASE WHEN q.Verdict = 'FAILED' THEN 1 ELSE 0 END) > 0 THEN 'FAILED'
        WHEN SUM(CASE WHEN q.Verdict = 'WARNING' THEN 1 ELSE 0 END) > 0 THEN 'WARNING'
        WHEN SUM(CASE WHEN q.Verdict = 'VALID' THEN 1 ELSE 0 END) > 0 THEN 'VALID'
        ELSE 'SKIPPED'
    END AS Verdict,
    100.0 * SUM(CASE WHEN q.Verdict = 'VALID' THEN 1 ELSE 0 END)
        / NULLIF(SUM(CASE WHEN q.Verdict <> 'SKIPPED' THEN 1 ELSE 0 END), 0) AS QualityPercent
FROM DataQuality_Log AS q
INNER JOIN (SELECT TableName, MAX(LogId) AS LogId FROM DataQuality_Log GROUP BY TableName) AS latest ON latest.TableName = q.TableName
INNER JOIN DataQuality_Log AS l ON l.LogId = latest.LogId AND l.RunId = q.RunId
GROUP BY q.TableName, q.RunId;
-- Which rules were broken in the last 30 days, how often and how badly.
CREATE VIEW etl.vw_DQ_TopViolations AS
SELECT
    TableName,
    RuleName,
    RuleKind,
    ColumnName,
    RuleText,
    Severity,
    COUNT(*) AS Evaluations,
    SUM(CASE WHEN Verdict IN ('WARNING', 'FAILED') THEN 1 ELSE 0 END) AS Violations,
    CAST(SUM(CASE WHEN Verdict IN ('WARNING', 'FAILED') THEN RowsFailed ELSE 0 END) AS BIGINT) AS RowsFailed,
    MAX(CASE WHEN Verdict IN ('WARNING', 'FAILED') THEN PercentFailed ELSE 0 END) AS MaxPercentFailed,
    MAX(CASE WHEN Verdict IN ('WARNING', 'FAILED') THEN LogTs END) AS LastViolationTs
FROM DataQuality_Log
WHERE LogTs >= strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days') AND Verdict <> 'SKIPPED'
GROUP BY TableName, RuleName, RuleKind, ColumnName, RuleText, Severity
HAVING SUM(CASE WHEN Verdict IN ('WARNING', 'FAILED') THEN 1 ELSE 0 END) > 0;
-- Every table of the catalogue: what it declares, and which of it was evaluated in the last 30 days.
CREATE VIEW etl.vw_DQ_Coverage AS
SELECT
    d.TableName,
    d.Rules,
    d.BlockingRules,
    d.RejectRules,
    d.ColumnsTotal,
    d.ColumnsCovered,
    100.0 * d.ColumnsCovered / NULLIF(d.ColumnsTotal, 0) AS CoveragePercent,
    COALESCE(seen.RulesEvaluated, 0) AS RulesEvaluated,
    seen.LastCheckedTs
FROM DQ_Declared AS d
LEFT JOIN (
    SELECT TableName, COUNT(DISTINCT RuleName) AS RulesEvaluated, MAX(LogTs) AS LastCheckedTs
    FROM DataQuality_Log
    WHERE LogTs >= strftime('%Y-%m-%d %H:%M:%f', 'now', '-30 days') AND Verdict <> 'SKIPPED'
    GROUP BY TableName
) AS seen ON seen.TableName = d.TableName;
