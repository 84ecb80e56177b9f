SELECT {{ columns }} FROM {{ relation }} AS r WHERE {{ live }};
