CREATE TABLE #cbm_misfiled (
    {{ definitions }},
    _key_hash binary(32) NOT NULL
);
