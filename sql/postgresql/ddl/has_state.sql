SELECT to_regclass('stg._cbm_state') IS NOT NULL;
