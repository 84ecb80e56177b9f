SELECT {{ columns }}, _key_hash FROM {{ target }} WHERE FALSE;
