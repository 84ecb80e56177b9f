SELECT MAX({{ column }}) FROM {{ relation }} AS r WHERE {{ live }};
