SELECT count(*) FROM {{ staging }} AS s INNER JOIN {{ target }} AS o ON o._key_hash = s._key_hash WHERE NOT o._is_deleted;
