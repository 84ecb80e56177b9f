DROP VIEW IF EXISTS {{ staging }};
