SELECT COUNT_BIG(*) AS n FROM {{ staging }};
