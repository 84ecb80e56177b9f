ALTER TABLE {{ target }} ALTER COLUMN {{ columns }} TYPE {{ columns.types }};
