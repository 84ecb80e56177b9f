SELECT
    COUNT(*),
    SUM(CASE WHEN o.found IS NULL THEN 1 ELSE 0 END)
FROM {{ relation }} AS r
LEFT JOIN (
    SELECT DISTINCT {{ theirs }}, 1 AS found
    FROM {{ other }} AS o
    WHERE NOT o._is_deleted
) AS o ON {{ same }}
WHERE {{ live }} AND {{ filled }};
