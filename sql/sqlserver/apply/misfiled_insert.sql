INSERT INTO #cbm_misfiled ({{ columns }}, _key_hash) VALUES ({{ places }});
