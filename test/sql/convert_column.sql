-- keyring_encrypt_column and keyring_decrypt_column: what carries over.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
SELECT keyring_activate(1);
SET client_min_messages = warning;
CREATE SCHEMA convert_column;
SET search_path = convert_column, public;

CREATE COLLATION german (provider = icu, locale = 'de');
CREATE TABLE patients (
    id integer PRIMARY KEY,
    ssn varchar(11) NOT NULL DEFAULT '000-00-0000' UNIQUE,
    name text COLLATE german DEFAULT 'Doe',
    note text,
    scan bytea DEFAULT '\x00',
    CONSTRAINT ssn_form CHECK (ssn ~ '^[0-9-]+$'),
    CONSTRAINT note_form CHECK (note IN ('a', 'b') OR length(note) > 3),
    CONSTRAINT differ CHECK (note <> name)
);
CREATE INDEX patients_name ON patients (name);
CREATE INDEX patients_both ON patients USING btree (name DESC NULLS LAST, id) INCLUDE (note);
CREATE INDEX patients_hash ON patients USING hash (name);
CREATE INDEX patients_present ON patients (id) WHERE name IS NOT NULL;
COMMENT ON COLUMN patients.ssn IS 'social security number';
COMMENT ON CONSTRAINT patients_ssn_key ON patients IS 'one each';
COMMENT ON CONSTRAINT ssn_form ON patients IS 'digits';
COMMENT ON INDEX patients_name IS 'lookups';
CREATE ROLE regress_convert_clerk;
GRANT USAGE ON SCHEMA convert_column TO regress_convert_clerk;
GRANT SELECT (ssn), UPDATE (ssn) ON patients TO regress_convert_clerk;
ALTER TABLE patients ALTER COLUMN ssn SET STATISTICS 7, ALTER COLUMN ssn SET (n_distinct = -0.5);
ALTER TABLE patients ALTER COLUMN note SET STORAGE MAIN;
ALTER TABLE patients REPLICA IDENTITY USING INDEX patients_ssn_key;
ALTER TABLE patients CLUSTER ON patients_name;
INSERT INTO patients VALUES (1, '078-05-1120', 'Özil', 'a', '\xff00');
INSERT INTO patients VALUES (2, '219-09-9999', 'Oz', NULL, NULL);
INSERT INTO patients VALUES (3, DEFAULT, 'Zoe', 'long enough', '');
CREATE TABLE before AS TABLE patients;

CREATE FUNCTION shape() RETURNS TABLE (about text, is text) LANGUAGE sql SET search_path = convert_column, public, pg_catalog AS $$
    SELECT 'column ' || attname, concat_ws(' ', format_type(atttypid, atttypmod), 'not null ' || attnotnull,
           'collation ' || nullif(attcollation, 0)::regcollation, 'storage ' || attstorage::text,
           'statistics ' || nullif(attstattarget, -1),
           (SELECT array_agg(o) FROM unnest(attoptions) o WHERE o NOT LIKE 'pg\_%')::text, attacl::text, col_description(attrelid, attnum))
    FROM pg_attribute WHERE attrelid = 'patients'::regclass AND attnum > 0
    UNION ALL
    SELECT 'default ' || adnum, pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'patients'::regclass
    UNION ALL
    SELECT 'constraint ' || conname, concat_ws(' ', pg_get_constraintdef(oid), obj_description(oid, 'pg_constraint'))
    FROM pg_constraint WHERE conrelid = 'patients'::regclass AND contype <> 'n'
    UNION ALL
    SELECT 'index ' || indexrelid::regclass::text, concat_ws(' ', pg_get_indexdef(indexrelid), 'valid ' || indisvalid,
           'identity ' || indisreplident, 'clustered ' || indisclustered, obj_description(indexrelid, 'pg_class'))
    FROM pg_index WHERE indrelid = 'patients'::regclass
    ORDER BY 1
$$;
CREATE TABLE shape_before AS SELECT * FROM shape();

SELECT keyring_encrypt_column('patients', 'ssn', searchable => true);
SELECT keyring_encrypt_column('patients', 'name', true);
SELECT keyring_encrypt_column('patients', 'note', true);
SELECT keyring_encrypt_column('patients', 'scan');
SELECT * FROM shape();
SELECT column_name, base_type, searchable, kind FROM keyring_columns WHERE relation = 'patients'::regclass ORDER BY 1;

-- the same values, each in an envelope of its own, and equality where it was asked for
SELECT p.id, p.ssn::text = b.ssn AS ssn, p.name::text = b.name AS name, p.note::text = b.note AS note, p.scan::bytea = b.scan AS scan
FROM patients p JOIN before b USING (id) ORDER BY id;
SELECT id FROM patients WHERE ssn = '078-05-1120';
SELECT id FROM patients ORDER BY name;
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT id FROM patients WHERE ssn = '078-05-1120'::text;
RESET enable_seqscan;

-- constraints and defaults go on
INSERT INTO patients (id, ssn) VALUES (4, '078-05-1120');
INSERT INTO patients (id, ssn) VALUES (4, 'letters');
INSERT INTO patients (id, ssn) VALUES (4, '078-05-11200');
INSERT INTO patients (id, ssn, note) VALUES (4, '1', 'c');
INSERT INTO patients (id, ssn, note) VALUES (4, '1', 'Doe!');
INSERT INTO patients (id, ssn, name, note) VALUES (5, '2', 'Doe!', 'Doe!');
INSERT INTO patients (id) VALUES (6);
INSERT INTO patients (id, ssn) VALUES (7, '7'), (8, '8');
SELECT id, ssn::text, name::text, scan::bytea FROM patients WHERE id > 3 ORDER BY id;
SELECT count(DISTINCT name) AS names,
       (SELECT count(DISTINCT (keyring_inspect(name)).key_tag) FROM patients) AS keys FROM patients WHERE id > 3;
SET ROLE regress_convert_clerk;
SELECT count(ssn) FROM convert_column.patients;
RESET ROLE;

-- and back: as it was, but for the explicit type of a varchar's default
SELECT keyring_decrypt_column('patients', c) FROM unnest('{ssn,name,note,scan}'::name[]) c;
SELECT 'was' AS state, * FROM (TABLE shape_before EXCEPT SELECT * FROM shape()) w
UNION ALL
SELECT 'is', * FROM (SELECT * FROM shape() EXCEPT TABLE shape_before) i ORDER BY 2, 1 DESC;
SELECT count(*) FROM (SELECT * FROM patients WHERE id <= 3 INTERSECT TABLE before) same;
SELECT column_name FROM keyring_columns WHERE relation = 'patients'::regclass;

-- the size is said first, on either way
SET client_min_messages = notice;
CREATE TABLE empty (c text);
SELECT keyring_encrypt_column('empty', 'c');
SELECT keyring_decrypt_column('empty', 'c');
SET client_min_messages = warning;

-- unlogged, temporary, dropped and added columns, no rows, awkward names
CREATE UNLOGGED TABLE quick (gone int, c text);
INSERT INTO quick VALUES (1, 'x');
ALTER TABLE quick DROP COLUMN gone, ADD COLUMN late text DEFAULT 'added to a full table';
SELECT keyring_encrypt_column('quick', 'late', true);
SELECT keyring_encrypt_column('quick', 'c');
SELECT c::text, late::text FROM quick WHERE late = 'added to a full table';
CREATE TEMPORARY TABLE brief (c text);
INSERT INTO brief VALUES ('x'), (NULL), ('');
SELECT keyring_encrypt_column('brief', 'c');
SELECT c::text FROM brief ORDER BY c;
SELECT kind FROM keyring_columns WHERE relation = 'brief'::regclass;
CREATE SCHEMA "Odd ""schema";
CREATE TABLE "Odd ""schema"."Table, 'x'" ("Col ""c" varchar(5) DEFAULT 'it''s' CHECK ("Col ""c" <> ';'));
SELECT keyring_encrypt_column('"Odd ""schema"."Table, ''x''"', 'Col "c', true);
INSERT INTO "Odd ""schema"."Table, 'x'" DEFAULT VALUES;
SELECT "Col ""c"::text FROM "Odd ""schema"."Table, 'x'";
SELECT keyring_decrypt_column('"Odd ""schema"."Table, ''x''"', 'Col "c');
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '"Odd ""schema"."Table, ''x''"'::regclass ORDER BY 1;
TABLE "Odd ""schema"."Table, 'x'";

-- a rollback leaves nothing behind; conversion and use in one transaction
BEGIN;
SELECT keyring_encrypt_column('empty', 'c', true);
INSERT INTO empty VALUES ('in the same transaction');
SELECT c::text FROM empty WHERE c = 'in the same transaction';
ROLLBACK;
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'empty'::regclass AND attname = 'c';

-- values that are compressed and out of line
CREATE TABLE long (c text);
INSERT INTO long SELECT repeat(md5(i::text), 4000) FROM generate_series(1, 3) i;
INSERT INTO long SELECT string_agg(md5(i::text), '') FROM generate_series(1, 4000) i;
CREATE TABLE long_before AS TABLE long;
SELECT keyring_encrypt_column('long', 'c');
SELECT (keyring_inspect(c)).compressed, count(*) FROM long GROUP BY 1 ORDER BY 1;
SELECT keyring_decrypt_column('long', 'c');
SELECT count(*) FROM (TABLE long INTERSECT TABLE long_before) same;

DROP TABLE brief;
-- from one mode to the other, with what carries over and what stands in the way
CREATE TABLE moded (id integer PRIMARY KEY, v varchar(8) NOT NULL DEFAULT 'none' CHECK (v <> 'bad'), n numeric(6,2), j json);
COMMENT ON COLUMN moded.v IS 'moves';
ALTER TABLE moded ALTER v SET STORAGE MAIN;
CREATE TABLE moded_heir () INHERITS (moded);
INSERT INTO moded VALUES (1, 'one', 1.005, '{}'), (2, 'two', NULL, '{}');
INSERT INTO moded_heir VALUES (3, 'three', 3, '{}');
SELECT keyring_encrypt_column('moded', 'v'), keyring_encrypt_column('moded', 'n'), keyring_encrypt_column('moded', 'j');
SELECT keyring_encrypt_column('moded', 'v');
SELECT keyring_encrypt_column('moded', 'j', searchable => true);
SELECT keyring_encrypt_column('moded', 'v', searchable => true), keyring_encrypt_column('moded', 'n', searchable => true);
SELECT keyring_encrypt_column('moded', 'n', searchable => true);
SELECT attname, format_type(atttypid, atttypmod), attnotnull, attstorage, pg_get_expr(adbin, adrelid) AS "default" FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'moded'::regclass AND attnum > 1 ORDER BY attnum;
SELECT v, n, (keyring_inspect(v)).searchable AS v_token, (keyring_inspect(n)).searchable AS n_token FROM moded ORDER BY id;
INSERT INTO moded (id, v) VALUES (4, 'bad');
CREATE INDEX moded_v ON moded (v);
CREATE TABLE refers (w encrypted_text(searchable));
ALTER TABLE moded ADD UNIQUE (v);
ALTER TABLE refers ADD FOREIGN KEY (w) REFERENCES moded (v);
CREATE VIEW sees AS SELECT v FROM moded;
SELECT keyring_encrypt_column('moded', 'v');
DROP VIEW sees;
DROP TABLE refers;
DROP INDEX moded_v;
ALTER TABLE moded DROP CONSTRAINT moded_v_key;
SELECT keyring_encrypt_column('moded', 'v', searchable => false);
SELECT v, (keyring_inspect(v)).searchable AS v_token, col_description('moded'::regclass, 2) FROM moded ORDER BY id;
INSERT INTO moded (id) VALUES (5) RETURNING v;
SELECT keyring_decrypt_column('moded', 'v');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'moded'::regclass AND attname = 'v';

DROP SCHEMA convert_column, "Odd ""schema" CASCADE;
DROP ROLE regress_convert_clerk;
DROP EXTENSION keyring;
