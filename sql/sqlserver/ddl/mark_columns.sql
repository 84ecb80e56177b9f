-- In the transaction that changes types: hashes stored so far were taken over the old ones.
UPDATE {{ state }} SET hash_columns = ? WHERE table_name = ?;
