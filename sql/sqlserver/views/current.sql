CREATE OR ALTER VIEW {{ view }} AS
SELECT
    {{ listed }},
    _updated_at AS {{ updated_at }}
FROM {{ target }}
WHERE _is_deleted = 0;
