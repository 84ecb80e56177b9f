-- etl and config are attached files; each keeps its own version, because attached WAL files do not commit atomically together.
CREATE TABLE IF NOT EXISTS etl.Schema_Version (
    Version INTEGER PRIMARY KEY,
    Name TEXT NOT NULL,
    AppliedUtc TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS config.Schema_Version (
    Version INTEGER PRIMARY KEY,
    Name TEXT NOT NULL,
    AppliedUtc TEXT NOT NULL
);
