ANALYZE _cbm_changes;
