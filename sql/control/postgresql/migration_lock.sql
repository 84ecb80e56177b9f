-- CREATE SCHEMA IF NOT EXISTS raises a unique violation when two sessions race; the number is arbitrary, ours alone.
SELECT pg_advisory_xact_lock(7205759403792794);
