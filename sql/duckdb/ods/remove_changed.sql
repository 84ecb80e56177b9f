DELETE FROM {{ target }}
WHERE rowid IN (SELECT stored FROM _cbm_changes WHERE outcome IN ('updated', 'resurrected', 'refreshed'));
