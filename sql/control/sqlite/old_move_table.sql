ALTER TABLE {schema}.{object} RENAME TO {object}_old;
