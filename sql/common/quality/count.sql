SELECT COUNT(*) FROM {{ relation }} AS r WHERE {{ live }};
