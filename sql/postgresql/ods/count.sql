SELECT count(*) FROM {{ target }};
