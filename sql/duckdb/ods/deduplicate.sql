-- Greatest cursor wins, then a total order over all columns: the row hash, then the key as spelled.
DELETE FROM {{ staging }}
WHERE rowid IN (
    SELECT ranked.row_position
    FROM (
        SELECT
            rowid AS row_position,
            row_number() OVER (PARTITION BY _key_hash ORDER BY {{ order }} _hashdiff, {{ keys }}) AS nth
        FROM {{ staging }}
        WHERE _key_hash IN (SELECT _key_hash FROM {{ staging }} GROUP BY _key_hash HAVING count(*) > 1)
    ) AS ranked
    WHERE ranked.nth > 1
);
