SELECT {{ keys }}
FROM {{ relation }} AS r
INNER JOIN (
    SELECT {{ group }}
    FROM {{ relation }} AS r
    WHERE {{ live }} AND {{ filled }}
    GROUP BY {{ by }}
    HAVING COUNT(*) > 1
) AS d ON {{ same }}
WHERE {{ live }}
ORDER BY {{ keys }};
