ALTER TABLE {schema}.{object} SET SCHEMA {schema}_old;
