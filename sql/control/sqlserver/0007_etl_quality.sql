-- One row a rule a load, or a rule a validation. SampleKeys is JSON, masked columns masked. LogTs is UTC.
IF OBJECT_ID(N'etl.DataQuality_Log', N'U') IS NULL CREATE TABLE etl.DataQuality_Log (
    LogId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    RunId NVARCHAR(100) NOT NULL,
    TableName NVARCHAR(128) NOT NULL,
    LogTs DATETIME2(6) NOT NULL,
    LoadSeq BIGINT NOT NULL,
    Layer NVARCHAR(20) NOT NULL,
    PartitionKey NVARCHAR(MAX) NOT NULL,
    RuleName NVARCHAR(200) NOT NULL,
    RuleKind NVARCHAR(60) NOT NULL,
    ColumnName NVARCHAR(MAX) NOT NULL,
    RuleText NVARCHAR(MAX) NOT NULL,
    Severity NVARCHAR(20) NOT NULL,
    Blocking SMALLINT NOT NULL,
    Verdict NVARCHAR(20) NOT NULL,
    RowsChecked BIGINT NOT NULL,
    RowsFailed BIGINT NOT NULL,
    PercentFailed FLOAT NOT NULL,
    SampleKeys NVARCHAR(MAX) NOT NULL,
    Seconds FLOAT NOT NULL,
    Message NVARCHAR(MAX) NOT NULL
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_DataQuality_Log_Table' AND object_id = OBJECT_ID(N'etl.DataQuality_Log'))
CREATE INDEX ix_DataQuality_Log_Table ON etl.DataQuality_Log (TableName, LogId);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_DataQuality_Log_Run' AND object_id = OBJECT_ID(N'etl.DataQuality_Log'))
CREATE INDEX ix_DataQuality_Log_Run ON etl.DataQuality_Log (RunId, TableName);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_DataQuality_Log_Ts' AND object_id = OBJECT_ID(N'etl.DataQuality_Log'))
CREATE INDEX ix_DataQuality_Log_Ts ON etl.DataQuality_Log (LogTs, TableName);
-- What the specs declare, so that a table without any rule shows in the coverage too.
IF OBJECT_ID(N'etl.DQ_Declared', N'U') IS NULL CREATE TABLE etl.DQ_Declared (
    TableName NVARCHAR(128) PRIMARY KEY,
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
    CAST(100.0 AS FLOAT) * SUM(CASE WHEN q.Verdict = 'VALID' THEN 1 ELSE 0 END)
        / NULLIF(SUM(CASE WHEN q.Verdict <> 'SKIPPED' THEN 1 ELSE 0 END), 0) AS QualityPercent
FROM etl.DataQuality_Log AS q
INNER JOIN (SELECT TableName, MAX(LogId) AS LogId FROM etl.DataQuality_Log GROUP BY TableName) AS latest ON latest.TableName = q.TableName
INNER JOIN etl.DataQuality_Log AS l ON l.LogId = latest.LogId AND l.RunId = q.RunId
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
FROM etl.DataQuality_Log
WHERE LogTs >= DATEADD(DAY, -30, SYSUTCDATETIME()) AND Verdict <> 'SKIPPED'
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
    CAST(100.0 AS FLOAT) * d.ColumnsCovered / NULLIF(d.ColumnsTotal, 0) AS CoveragePercent,
    COALESCE(seen.RulesEvaluated, 0) AS RulesEvaluated,
    seen.LastCheckedTs
FROM etl.DQ_Declared AS d
LEFT JOIN (
    SELECT TableName, COUNT(DISTINCT RuleName) AS RulesEvaluated, MAX(LogTs) AS LastCheckedTs
    FROM etl.DataQuality_Log
    WHERE LogTs >= DATEADD(DAY, -30, SYSUTCDATETIME()) AND Verdict <> 'SKIPPED'
    GROUP BY TableName
) AS seen ON seen.TableName = d.TableName;
