-- One row an alert key: is it open, since when, who was told. Stamps are UTC. NotifiedUtc NULL: nobody was told yet.
CREATE TABLE IF NOT EXISTS etl.Alert (
    AlertKey TEXT NOT NULL PRIMARY KEY,
    Kind TEXT NOT NULL,
    TableName TEXT NOT NULL,
    Severity TEXT NOT NULL,
    State TEXT NOT NULL,
    Episode TEXT NOT NULL,
    SinceUtc TEXT NOT NULL,
    OpenedUtc TEXT NOT NULL,
    SeenUtc TEXT NOT NULL,
    ClosedUtc TEXT,
    NotifiedUtc TEXT,
    Notifications INTEGER NOT NULL,
    AckedUtc TEXT,
    AckedBy TEXT NOT NULL,
    Facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS etl.ix_Alert_State ON Alert (State, Severity);
-- The outbox: one row a message and route, written in the transaction that changes etl.Alert; the dedupe key makes a second one impossible.
CREATE TABLE IF NOT EXISTS etl.Alert_Log (
    AlertLogId INTEGER PRIMARY KEY AUTOINCREMENT,
    DedupeKey TEXT NOT NULL UNIQUE,
    AlertKey TEXT NOT NULL,
    Kind TEXT NOT NULL,
    TableName TEXT NOT NULL,
    Severity TEXT NOT NULL,
    EventName TEXT NOT NULL,
    RouteName TEXT NOT NULL,
    Payload TEXT NOT NULL,
    State TEXT NOT NULL,
    CreatedUtc TEXT NOT NULL,
    DueUtc TEXT NOT NULL,
    Attempts INTEGER NOT NULL,
    LeaseOwner TEXT NOT NULL,
    LeaseUtc TEXT,
    SentUtc TEXT,
    LastError TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS etl.ix_Alert_Log_State ON Alert_Log (State, RouteName, DueUtc);
CREATE INDEX IF NOT EXISTS etl.ix_Alert_Log_Key ON Alert_Log (AlertKey, AlertLogId);
-- A route that failed rests until RestUntilUtc (its Retry-After, or a back-off), whatever it was asked to send.
CREATE TABLE IF NOT EXISTS etl.Alert_Route (
    RouteName TEXT NOT NULL PRIMARY KEY,
    Failures INTEGER NOT NULL,
    RestUntilUtc TEXT,
    SentUtc TEXT,
    LastError TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS etl.Alert_Silence (
    SilenceId INTEGER PRIMARY KEY AUTOINCREMENT,
    Pattern TEXT NOT NULL,
    UntilUtc TEXT NOT NULL,
    CreatedBy TEXT NOT NULL,
    CreatedUtc TEXT NOT NULL
);
-- 'watch': when the journal was last looked at; its row is also what makes two watchers take turns. 'summary': the last day told.
CREATE TABLE IF NOT EXISTS etl.Alert_Cursor (
    CursorName TEXT NOT NULL PRIMARY KEY,
    CursorText TEXT NOT NULL
);
INSERT INTO etl.Alert_Cursor (CursorName, CursorText) VALUES ('watch', '');
INSERT INTO etl.Alert_Cursor (CursorName, CursorText) VALUES ('summary', '');
