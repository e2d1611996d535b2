-- What the install script left in the catalogs: comments, names, privileges.
SELECT plan(6);

CREATE TEMPORARY VIEW members AS
SELECT d.classid, d.objid, d.classid::regclass::text AS catalog,
       pg_describe_object(d.classid, d.objid, 0) AS what
FROM pg_depend d
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'keyring' AND d.deptype = 'e';

SELECT cmp_ok((SELECT count(*) FROM members), '>', 100::bigint, 'the extension has its objects');

-- Array types, row types and operator families come by themselves with something that has a comment.
SELECT is_empty(
    $$SELECT what FROM members m
      WHERE obj_description(m.objid, m.catalog) IS NULL
        AND m.catalog <> 'pg_opfamily'
        AND NOT EXISTS (SELECT FROM pg_type t WHERE m.catalog = 'pg_type' AND t.oid = m.objid
                        AND (t.typelem <> 0 AND t.typlen = -1 AND t.typcategory = 'A' OR t.typrelid <> 0))$$,
    'every object has a comment');

SELECT is_empty(
    $$SELECT what FROM members m
      WHERE CASE m.catalog
              WHEN 'pg_proc' THEN (SELECT proname FROM pg_proc WHERE oid = m.objid) NOT LIKE 'keyring\_%'
                AND (SELECT proname FROM pg_proc WHERE oid = m.objid) <> ALL (ARRAY['round', 'trunc', 'ceil', 'ceiling', 'floor',
                    'sqrt', 'sign', 'exp', 'ln', 'log', 'power', 'mod', 'to_timestamp', 'age',
                    'date_trunc', 'to_char'])
              WHEN 'pg_class' THEN (SELECT relname FROM pg_class WHERE oid = m.objid) NOT LIKE 'keyring\_%'
              WHEN 'pg_type' THEN (SELECT typname FROM pg_type WHERE oid = m.objid) !~ '^_?(encrypted|keyring)_'
            END$$,
    'functions and relations are named keyring_, types encrypted_, but for overloads of PostgreSQL''s functions');

SELECT is_empty(
    $$SELECT what FROM members m JOIN pg_class c ON m.catalog = 'pg_class' AND c.oid = m.objid
      WHERE c.relkind IN ('r', 'p', 'S')
        AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')$$,
    'tables are closed to everyone');

SELECT is_empty(
    $$SELECT what FROM members m JOIN pg_proc p ON m.catalog = 'pg_proc' AND p.oid = m.objid
      WHERE p.prosecdef AND (p.proconfig IS NULL OR NOT p.proconfig::text ~ 'search_path=pg_catalog, pg_temp')$$,
    'functions with their owner''s rights have a pinned search_path');

-- A leakproof function runs before a security barrier's conditions; only token comparison may.
SELECT is_empty(
    $$SELECT what FROM members m JOIN pg_proc p ON m.catalog = 'pg_proc' AND p.oid = m.objid
      WHERE p.proleakproof AND p.proname !~ '_token_'$$,
    'only what compares tokens is leakproof');

SELECT * FROM finish();
