SELECT outcome, count(*) FROM _cbm_changes GROUP BY outcome;
