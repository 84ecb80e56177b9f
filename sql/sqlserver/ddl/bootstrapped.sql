SELECT
    CASE
        WHEN
            OBJECT_ID({{ state_name }}, N'U') IS NOT NULL AND SCHEMA_ID({{ ods }}) IS NOT NULL AND SCHEMA_ID({{ marts }}) IS NOT NULL
            THEN 1
        ELSE 0
    END AS is_there;
