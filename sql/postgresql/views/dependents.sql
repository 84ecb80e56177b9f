-- Our views of a table, by their names, where they are ours to drop: no type of a column they show can change.
SELECT DISTINCT n.nspname::text AS schema_name, c.relname::text AS view_name, pg_get_viewdef(c.oid) AS definition
FROM pg_depend AS d
INNER JOIN pg_rewrite AS r ON r.oid = d.objid
INNER JOIN pg_class AS c ON c.oid = r.ev_class
INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
    AND d.refobjid = to_regclass(format('ods.%I', $table::text))
    AND c.relkind = 'v' AND c.relname = 'v_' || $table::text AND pg_has_role(c.relowner, 'USAGE');
