-- Asked first: CREATE SCHEMA IF NOT EXISTS wants the right to create even where there is nothing to do.
DO $$
BEGIN
    IF to_regnamespace({{ schema_text }}) IS NULL THEN
        CREATE SCHEMA {{ schema }};
    END IF;
END
$$;
