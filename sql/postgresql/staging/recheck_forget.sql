DELETE FROM {{ recheck }};
