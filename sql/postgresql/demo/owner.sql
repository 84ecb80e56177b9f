-- Whether the schemas are there, and whose: a demo leaves its name on them.
SELECT
    to_regnamespace('stg') IS NOT NULL OR to_regnamespace('ods') IS NOT NULL,
    coalesce(obj_description(to_regnamespace('stg')::oid, 'pg_namespace'), '') = 'cbm-etl demo';
