DECLARE @hash_version smallint = ?;
SELECT
    CASE
        WHEN EXISTS (
            SELECT 1 FROM {{ staging }} AS s INNER JOIN {{ target }} AS o ON o._key_hash = s._key_hash
            WHERE o._hash_version <> @hash_version
        ) THEN 1
        ELSE 0
    END AS is_other;
