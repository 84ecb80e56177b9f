SELECT {{ keys }}, _key_hash FROM {{ recheck }};
