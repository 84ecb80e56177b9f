CREATE OR REPLACE VIEW {{ view }} AS
SELECT
    {{ listed }},
    _updated_at AS {{ updated_at }}
FROM {{ target }}
WHERE NOT _is_deleted;
