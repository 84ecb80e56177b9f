-- Not TRUNCATE: whoever reads at this moment keeps what was there.
DELETE FROM {{ target }};
