SELECT
    COUNT(*),
    SUM(CASE WHEN o.found IS NULL THEN 1 ELSE 0 END)
FROM {{ relation }} AS r
LEFT JOIN (
    SELECT DISTINCT {{ theirs }}, 1 AS found
    FROM {{ other }} AS o
    WHERE o._deleted_at IS NULL
) AS o ON {{ same }}
WHERE {{ live }} AND {{ filled }};
