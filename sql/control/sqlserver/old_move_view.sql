ALTER SCHEMA {schema}_old TRANSFER OBJECT::{schema}.{object};
