ALTER TABLE {{ target }} ADD {{ definitions }};
