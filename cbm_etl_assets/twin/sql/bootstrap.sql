-- Everything the twin needs in its PostgreSQL database besides the users' tables. Idempotent; {zone} is a literal.
CREATE SCHEMA IF NOT EXISTS pub;
CREATE SCHEMA IF NOT EXISTS sysprogress;
CREATE SCHEMA IF NOT EXISTS cbm_twin;

CREATE TABLE IF NOT EXISTS cbm_twin.tables (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL UNIQUE, label text, description text, dump_name text);
CREATE TABLE IF NOT EXISTS cbm_twin.columns (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_id bigint NOT NULL REFERENCES cbm_twin.tables ON DELETE CASCADE,
  position int NOT NULL, name text NOT NULL, abl_type text NOT NULL, sql_type text NOT NULL, char_width int, width int NOT NULL,
  scale int, extent int NOT NULL, mandatory boolean NOT NULL, case_sensitive boolean NOT NULL, display_order int NOT NULL,
  label text, description text, format text, UNIQUE (table_id, name));
CREATE TABLE IF NOT EXISTS cbm_twin.indexes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, table_id bigint NOT NULL REFERENCES cbm_twin.tables ON DELETE CASCADE,
  name text NOT NULL, is_unique boolean NOT NULL, is_primary boolean NOT NULL, active boolean NOT NULL, word boolean NOT NULL);
CREATE TABLE IF NOT EXISTS cbm_twin.index_fields (
  index_id bigint NOT NULL REFERENCES cbm_twin.indexes ON DELETE CASCADE, seq int NOT NULL,
  column_id bigint NOT NULL REFERENCES cbm_twin.columns ON DELETE CASCADE, PRIMARY KEY (index_id, seq));
-- One row a writing statement (see the trigger): the proxy scans for over-width values only when the count has moved.
CREATE TABLE IF NOT EXISTS cbm_twin.touched (table_name text NOT NULL);
CREATE INDEX IF NOT EXISTS touched_by_name ON cbm_twin.touched (table_name);

CREATE OR REPLACE FUNCTION cbm_twin.touch() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO cbm_twin.touched VALUES (TG_TABLE_NAME); RETURN NULL; END $$;

-- Called only for a value that is too wide. VOLATILE, else the planner would fold the call and raise on every query.
CREATE OR REPLACE FUNCTION cbm_twin.too_wide(col text, tbl text) RETURNS text LANGUAGE plpgsql VOLATILE AS
$$ BEGIN
  RAISE EXCEPTION USING ERRCODE = '22P00', MESSAGE =
    format('Column %s in table PUB.%s has value exceeding its max length or precision.', col, tbl);
END $$;

-- The source's wall clock: naive, milliseconds, as OpenEdge stamps it.
CREATE OR REPLACE FUNCTION cbm_twin.now_local() RETURNS timestamp LANGUAGE sql STABLE AS
$$ SELECT date_trunc('milliseconds', clock_timestamp() AT TIME ZONE {zone}) $$;

-- 1-based, elements from..to, still escaped.
CREATE OR REPLACE FUNCTION cbm_twin.pro_element(arr text, first int, last int) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT string_agg(m[1], ';' ORDER BY n) FROM regexp_matches(arr || ';', '((?:~.|[^;~])*);', 'g') WITH ORDINALITY AS e (m, n)
  WHERE n BETWEEN first AND last $$;
CREATE OR REPLACE FUNCTION cbm_twin.pro_arr_descape(arr text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT regexp_replace(arr, '~([~;?])', '\1', 'g') $$;

CREATE OR REPLACE FUNCTION cbm_twin.pro_arr_escape(element text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT regexp_replace(element, '([~;?])', '~\1', 'g') $$;
CREATE OR REPLACE FUNCTION cbm_twin.year(at timestamp) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(year FROM at)::int $$;
CREATE OR REPLACE FUNCTION cbm_twin.month(at timestamp) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(month FROM at)::int $$;
CREATE OR REPLACE FUNCTION cbm_twin.dayofmonth(at timestamp) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(day FROM at)::int $$;
CREATE OR REPLACE FUNCTION cbm_twin.hour(at timestamp) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(hour FROM at)::int $$;
CREATE OR REPLACE FUNCTION cbm_twin.minute(at timestamp) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(minute FROM at)::int $$;
CREATE OR REPLACE FUNCTION cbm_twin.second(at timestamp) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT extract(second FROM at)::int $$;

CREATE OR REPLACE VIEW sysprogress.systables AS
  SELECT 'PUB'::varchar(32) AS creator, 'N'::varchar(1) AS has_ccnstrs, 'N'::varchar(1) AS has_fcnstrs, 'N'::varchar(1) AS has_pcnstrs,
         'N'::varchar(1) AS has_ucnstrs, id::int AS id, 'PUB'::varchar(32) AS owner, 0 AS rssid, 0 AS segid, name::varchar(32) AS tbl,
         'T'::varchar(1) AS tbltype, 'N'::varchar(1) AS tbl_status
  FROM cbm_twin.tables
  UNION ALL
  SELECT o, 'N', 'N', 'N', 'N', -n::int, o, 0, 0, t, 'S', 'N'
  FROM (VALUES (1, 'SYSPROGRESS', 'SYSTABLES'), (2, 'SYSPROGRESS', 'SYSCOLUMNS'), (3, 'SYSPROGRESS', 'SYSCOLUMNS_FULL'),
               (4, 'SYSPROGRESS', 'SYSINDEXES'), (5, 'PUB', '_File'), (6, 'PUB', '_Field'), (7, 'PUB', '_Index'),
               (8, 'PUB', '_Index-Field')) AS s (n, o, t);

CREATE OR REPLACE VIEW sysprogress.syscolumns_full AS
  SELECT c.extent AS array_extent, 'UTF-8'::varchar(32) AS charset, c.name::varchar(32) AS col, c.label::varchar(60) AS col_label,
         ''::varchar(4) AS col_subtype, CASE WHEN c.case_sensitive THEN 'C' ELSE 'I' END::varchar(32) AS "collation",
         c.sql_type::varchar(20) AS coltype, c.description::varchar(2000) AS description, c.display_order,
         NULL::varchar(250) AS dflt_value, c.position + 1 AS field_rpos, c.format::varchar(60) AS format, NULL::varchar(350) AS help,
         (c.position - 1)::int AS id, c.label::varchar(60) AS label, CASE WHEN c.mandatory THEN 'N' ELSE 'Y' END::varchar(1) AS nullflag,
         'PUB'::varchar(32) AS owner, coalesce(c.scale, 0) AS scale, t.name::varchar(32) AS tbl, NULL::varchar(2000) AS valexp,
         NULL::varchar(2000) AS valmsg, NULL::varchar(2000) AS view_as, c.width
  FROM cbm_twin.columns c JOIN cbm_twin.tables t ON t.id = c.table_id;

CREATE OR REPLACE VIEW sysprogress.syscolumns AS
  SELECT charset, col, "collation", coltype, dflt_value, id, nullflag, owner, scale, tbl, width FROM sysprogress.syscolumns_full;

CREATE OR REPLACE VIEW sysprogress.sysindexes AS
  SELECT 'N'::varchar(1) AS abbreviate, CASE WHEN i.active THEN 1 ELSE 0 END AS active, c.name::varchar(32) AS colname,
         'PUB'::varchar(32) AS creator, i.id::int AS id, i.name::varchar(32) AS idxname, 'A'::varchar(1) AS idxorder,
         'PUB'::varchar(32) AS idxowner, f.seq AS idxseq, 0 AS rssid, t.name::varchar(32) AS tbl, 'PUB'::varchar(32) AS tblowner
  FROM cbm_twin.index_fields f JOIN cbm_twin.indexes i ON i.id = f.index_id JOIN cbm_twin.columns c ON c.id = f.column_id
       JOIN cbm_twin.tables t ON t.id = i.table_id;

CREATE OR REPLACE VIEW sysprogress.syscalctable AS SELECT 100 AS fld;

CREATE OR REPLACE VIEW pub."_File" AS
  SELECT t.id AS rowid, t.name::varchar(64) AS "_File-Name", t.id::int AS "_File-Number", 'PUB'::varchar(64) AS "_Owner",
         coalesce((SELECT min(i.id) FROM cbm_twin.indexes i WHERE i.table_id = t.id AND i.is_primary), 0) AS "_Prime-Index",
         t.dump_name::varchar(64) AS "_Dump-name", false AS "_Hidden", false AS "_Frozen", 'T'::varchar(2) AS "_Tbl-Type",
         t.description::varchar(2000) AS "_Desc", t.label::varchar(64) AS "_File-Label",
         (SELECT count(*)::int FROM cbm_twin.columns c WHERE c.table_id = t.id) AS "_numfld",
         (SELECT count(*)::int FROM cbm_twin.indexes i WHERE i.table_id = t.id) AS "_numkey"
  FROM cbm_twin.tables t;
CREATE OR REPLACE VIEW pub."_Field" AS
  SELECT c.id AS rowid, c.table_id AS "_File-recid", c.name::varchar(64) AS "_Field-Name", c.abl_type::varchar(32) AS "_Data-Type",
         c.extent AS "_Extent", c.scale AS "_Decimals", c.width AS "_Width", c.format::varchar(60) AS "_Format",
         c.label::varchar(60) AS "_Label", c.label::varchar(60) AS "_Col-label", c.description::varchar(2000) AS "_Desc",
         c.mandatory AS "_Mandatory", c.display_order AS "_Order", c.case_sensitive AS "_Fld-case", c.position + 1 AS "_Field-rpos",
         (c.position + 1)::int AS "_field-physpos", NULL::varchar(250) AS "_Initial", NULL::varchar(350) AS "_Help"
  FROM cbm_twin.columns c;
CREATE OR REPLACE VIEW pub."_Index" AS
  SELECT i.id AS rowid, i.table_id AS "_File-recid", i.name::varchar(64) AS "_Index-Name", i.is_unique AS "_Unique",
         i.active AS "_Active", CASE WHEN i.word THEN 1 END::int AS "_Wordidx",
         (SELECT count(*)::int FROM cbm_twin.index_fields f WHERE f.index_id = i.id) AS "_num-comp"
  FROM cbm_twin.indexes i;
CREATE OR REPLACE VIEW pub."_Index-Field" AS
  SELECT f.index_id * 100 + f.seq AS rowid, f.index_id AS "_Index-recid", f.column_id AS "_Field-recid", f.seq AS "_Index-Seq",
         true AS "_Ascending", false AS "_Abbreviate"
  FROM cbm_twin.index_fields f;
