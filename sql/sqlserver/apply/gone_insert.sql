INSERT INTO #cbm_gone (_key_hash) VALUES (?);
