UPDATE {{ history }} AS h
SET _valid_to = greatest($t0::timestamp, h._valid_from + INTERVAL '1 microsecond')
FROM _cbm_gone AS g
INNER JOIN {{ target }} AS o ON o._key_hash = g._key_hash
WHERE h._key_hash = g._key_hash AND h._valid_to IS NULL AND NOT o._is_deleted AND o._load_seq <= $seq::bigint;
