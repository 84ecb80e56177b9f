ALTER TABLE {{ target }} ALTER COLUMN {{ columns }} SET DATA TYPE {{ columns.types }};
