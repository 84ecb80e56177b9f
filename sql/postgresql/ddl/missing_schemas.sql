-- Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
SELECT wanted.name
FROM (VALUES ('stg'), ('ods'), ('marts')) AS wanted (name)
WHERE to_regnamespace(wanted.name) IS NULL;
