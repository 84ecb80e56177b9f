DROP VIEW IF EXISTS {{ view }};
