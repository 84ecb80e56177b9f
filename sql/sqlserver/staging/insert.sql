INSERT INTO {{ staging }} ({{ columns }}, _key_hash, _hashdiff) VALUES ({{ places }});
