ALTER TABLE {{ target }} ADD COLUMN {{ columns.definitions }};
