SELECT {{ columns }}, _key_hash FROM {{ target }} WHERE _is_deleted = 0;
