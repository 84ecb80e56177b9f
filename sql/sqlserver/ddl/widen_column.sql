ALTER TABLE {{ target }} ALTER COLUMN {{ definitions }};
