-- One row an alert key: is it open, since when, who was told. Stamps are UTC. NotifiedUtc NULL: nobody was told yet.
CREATE TABLE IF NOT EXISTS etl.Alert (
    AlertKey VARCHAR(300) NOT NULL PRIMARY KEY,
    Kind VARCHAR(40) NOT NULL,
    TableName VARCHAR(128) NOT NULL,
    Severity VARCHAR(20) NOT NULL,
    State VARCHAR(20) NOT NULL,
    Episode VARCHAR(100) NOT NULL,
    SinceUtc TIMESTAMP NOT NULL,
    OpenedUtc TIMESTAMP NOT NULL,
    SeenUtc TIMESTAMP NOT NULL,
    ClosedUtc TIMESTAMP,
    NotifiedUtc TIMESTAMP,
    Notifications INTEGER NOT NULL,
    AckedUtc TIMESTAMP,
    AckedBy VARCHAR(200) NOT NULL,
    Facts TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_Alert_State ON etl.Alert (State, Severity);
-- The outbox: one row a message and route, written in the transaction that changes etl.Alert; the dedupe key makes a second one impossible.
CREATE TABLE IF NOT EXISTS etl.Alert_Log (
    AlertLogId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    DedupeKey VARCHAR(500) NOT NULL UNIQUE,
    AlertKey VARCHAR(300) NOT NULL,
    Kind VARCHAR(40) NOT NULL,
    TableName VARCHAR(128) NOT NULL,
    Severity VARCHAR(20) NOT NULL,
    EventName VARCHAR(20) NOT NULL,
    RouteName VARCHAR(40) NOT NULL,
    Payload TEXT NOT NULL,
    State VARCHAR(20) NOT NULL,
    CreatedUtc TIMESTAMP NOT NULL,
    DueUtc TIMESTAMP NOT NULL,
    Attempts INTEGER NOT NULL,
    LeaseOwner VARCHAR(300) NOT NULL,
    LeaseUtc TIMESTAMP,
    SentUtc TIMESTAMP,
    LastError TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS ix_Alert_Log_State ON etl.Alert_Log (State, RouteName, DueUtc);
CREATE INDEX IF NOT EXISTS ix_Alert_Log_Key ON etl.Alert_Log (AlertKey, AlertLogId);
-- A route that failed rests until RestUntilUtc (its Retry-After, or a back-off), whatever it was asked to send.
CREATE TABLE IF NOT EXISTS etl.Alert_Route (
    RouteName VARCHAR(40) NOT NULL PRIMARY KEY,
    Failures INTEGER NOT NULL,
    RestUntilUtc TIMESTAMP,
    SentUtc TIMESTAMP,
    LastError TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS etl.Alert_Silence (
    SilenceId BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    Pattern VARCHAR(300) NOT NULL,
    UntilUtc TIMESTAMP NOT NULL,
    CreatedBy VARCHAR(200) NOT NULL,
    CreatedUtc TIMESTAMP NOT NULL
);
-- 'watch': when the journal was last looked at; its row is also what makes two watchers take turns. 'summary': the last day told.
CREATE TABLE IF NOT EXISTS etl.Alert_Cursor (
    CursorName VARCHAR(40) NOT NULL PRIMARY KEY,
    CursorText VARCHAR(100) NOT NULL
);
INSERT INTO etl.Alert_Cursor (CursorName, CursorText) VALUES ('watch', '');
INSERT INTO etl.Alert_Cursor (CursorName, CursorText) VALUES ('summary', '');
