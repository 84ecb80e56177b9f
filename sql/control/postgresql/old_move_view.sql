ALTER VIEW {schema}.{object} SET SCHEMA {schema}_old;
