-- One row an alert key: is it open, since when, who was told. Stamps are UTC. NotifiedUtc NULL: nobody was told yet.
IF OBJECT_ID(N'etl.Alert', N'U') IS NULL CREATE TABLE etl.Alert (
    AlertKey NVARCHAR(300) NOT NULL PRIMARY KEY,
    Kind NVARCHAR(40) NOT NULL,
    TableName NVARCHAR(128) NOT NULL,
    Severity NVARCHAR(20) NOT NULL,
    State NVARCHAR(20) NOT NULL,
    Episode NVARCHAR(100) NOT NULL,
    SinceUtc DATETIME2(6) NOT NULL,
    OpenedUtc DATETIME2(6) NOT NULL,
    SeenUtc DATETIME2(6) NOT NULL,
    ClosedUtc DATETIME2(6),
    NotifiedUtc DATETIME2(6),
    Notifications INTEGER NOT NULL,
    AckedUtc DATETIME2(6),
    AckedBy NVARCHAR(200) NOT NULL,
    Facts NVARCHAR(MAX) NOT NULL
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_Alert_State' AND object_id = OBJECT_ID(N'etl.Alert'))
CREATE INDEX ix_Alert_State ON etl.Alert (State, Severity);
-- The outbox: one row a message and route, written in the transaction that changes etl.Alert; the dedupe key makes a second one impossible.
IF OBJECT_ID(N'etl.Alert_Log', N'U') IS NULL CREATE TABLE etl.Alert_Log (
    AlertLogId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    DedupeKey NVARCHAR(500) NOT NULL UNIQUE,
    AlertKey NVARCHAR(300) NOT NULL,
    Kind NVARCHAR(40) NOT NULL,
    TableName NVARCHAR(128) NOT NULL,
    Severity NVARCHAR(20) NOT NULL,
    EventName NVARCHAR(20) NOT NULL,
    RouteName NVARCHAR(40) NOT NULL,
    Payload NVARCHAR(MAX) NOT NULL,
    State NVARCHAR(20) NOT NULL,
    CreatedUtc DATETIME2(6) NOT NULL,
    DueUtc DATETIME2(6) NOT NULL,
    Attempts INTEGER NOT NULL,
    LeaseOwner NVARCHAR(300) NOT NULL,
    LeaseUtc DATETIME2(6),
    SentUtc DATETIME2(6),
    LastError NVARCHAR(MAX) NOT NULL
);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_Alert_Log_State' AND object_id = OBJECT_ID(N'etl.Alert_Log'))
CREATE INDEX ix_Alert_Log_State ON etl.Alert_Log (State, RouteName, DueUtc);
IF NOT EXISTS (SELECT 1 FROM sys.indexes WHERE name = N'ix_Alert_Log_Key' AND object_id = OBJECT_ID(N'etl.Alert_Log'))
CREATE INDEX ix_Alert_Log_Key ON etl.Alert_Log (AlertKey, AlertLogId);
-- A route that failed rests until RestUntilUtc (its Retry-After, or a back-off), whatever it was asked to send.
IF OBJECT_ID(N'etl.Alert_Route', N'U') IS NULL CREATE TABLE etl.Alert_Route (
    RouteName NVARCHAR(40) NOT NULL PRIMARY KEY,
    Failures INTEGER NOT NULL,
    RestUntilUtc DATETIME2(6),
    SentUtc DATETIME2(6),
    LastError NVARCHAR(MAX) NOT NULL
);
IF OBJECT_ID(N'etl.Alert_Silence', N'U') IS NULL CREATE TABLE etl.Alert_Silence (
    SilenceId BIGINT IDENTITY(1, 1) PRIMARY KEY,
    Pattern NVARCHAR(300) NOT NULL,
    UntilUtc DATETIME2(6) NOT NULL,
    CreatedBy NVARCHAR(200) NOT NULL,
    CreatedUtc DATETIME2(6) NOT NULL
);
-- 'watch': when the journal was last looked at; its row is also what makes two watchers take turns. 'summary': the last day told.
IF OBJECT_ID(N'etl.Alert_Cursor', N'U') IS NULL CREATE TABLE etl.Alert_Cursor (
    CursorName NVARCHAR(40) NOT NULL PRIMARY KEY,
    CursorText NVARCHAR(100) NOT NULL
);
INSERT INTO etl.Alert_Cursor (CursorName, CursorText) VALUES ('watch', '');
INSERT INTO etl.Alert_Cursor (CursorName, CursorText) VALUES ('summary', '');
