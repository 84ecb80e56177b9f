CREATE OR ALTER VIEW {{ view }} AS
SELECT
    {{ listed }},
    _valid_from AS {{ valid_from }},
    _valid_to AS {{ valid_to }},
    CAST(CASE WHEN _valid_to IS NULL THEN 1 ELSE 0 END AS bit) AS {{ is_current }}
FROM {{ target }};
