DROP TABLE IF EXISTS {{ target }};
