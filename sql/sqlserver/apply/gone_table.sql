CREATE TABLE #cbm_gone (_key_hash binary(32) NOT NULL PRIMARY KEY);
