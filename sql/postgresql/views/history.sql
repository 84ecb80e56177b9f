CREATE VIEW {{ view }} AS
SELECT
    {{ listed }},
    _valid_from AS {{ valid_from }},
    _valid_to AS {{ valid_to }},
    _valid_to IS NULL AS {{ is_current }}
FROM {{ target }};
