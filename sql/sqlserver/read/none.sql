SELECT {{ columns }}, _key_hash FROM {{ target }} WHERE 1 = 0;
