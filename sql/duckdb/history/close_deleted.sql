UPDATE {{ history }}
SET _valid_to = greatest($t0::TIMESTAMP, _valid_from + INTERVAL 1 MICROSECOND)
WHERE _valid_to IS NULL AND _key_hash IN (
    SELECT g._key_hash
    FROM {{ gone }} AS g
    INNER JOIN {{ target }} AS o ON o._key_hash = g._key_hash
    WHERE NOT o._is_deleted AND o._load_seq <= $seq
);
