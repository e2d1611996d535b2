-- Operators and operator classes: what the catalogs promise, and what the planner makes of it.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE SCHEMA type_classes;
SET search_path = type_classes, public;

-- the classes are complete and consistent; order_ops has mixed members for row comparison without the base
-- type's own operators, since those would then be met by plain queries
SELECT opcname, amname, opcdefault, opcname ~ 'order' OR amvalidate(c.oid) AS valid FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE opcintype IN ('encrypted_text'::regtype, 'encrypted_bytea'::regtype) ORDER BY 1, 2;
SELECT o.oid::regoperator AS operator, oprcom::regoperator AS commutator, oprnegate::regoperator AS negator,
    oprcanmerge, oprcanhash, oprrest, oprjoin, provolatile, proleakproof, proparallel, proisstrict
FROM pg_operator o JOIN pg_proc p ON p.oid = oprcode
WHERE oprleft = 'encrypted_text'::regtype OR oprright = 'encrypted_text'::regtype ORDER BY oprname, oprleft, oprright;
SELECT proname FROM pg_proc WHERE proname ~ '^keyring_(text|bytea)_' AND proleakproof ORDER BY 1;

-- every object of the types has a comment
SELECT pg_describe_object(classid, objid, 0) FROM pg_depend d
WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e' AND obj_description(objid, classid::regclass::name) IS NULL
    AND pg_describe_object(classid, objid, 0) ~ '(keyring_(text|bytea|typmod|analyze|mixed))|encrypted_'
    AND NOT (classid = 'pg_type'::regclass AND (SELECT typelem <> 0 FROM pg_type WHERE oid = objid));

-- constraints and indexes
CREATE TABLE person (id integer, ssn encrypted_text(searchable) PRIMARY KEY, mail encrypted_text(searchable) UNIQUE, name encrypted_text(randomized));
CREATE TABLE visit (person encrypted_text(searchable) REFERENCES person ON UPDATE CASCADE ON DELETE CASCADE, place text);
CREATE INDEX ON visit USING hash (person);
INSERT INTO person SELECT i, 's' || i, 'm' || i, 'n' || i % 10 FROM generate_series(1, 2000) i;
INSERT INTO visit SELECT 's' || i % 100 + 1, 'p' || i % 7 FROM generate_series(1, 1000) i;
ANALYZE person, visit;
\set VERBOSITY terse
INSERT INTO person VALUES (3000, 's1', 'new');
INSERT INTO person VALUES (3000, 'new', 'm1');
INSERT INTO person VALUES (3000, NULL);
INSERT INTO visit VALUES ('nobody', 'x');
\set VERBOSITY default
INSERT INTO person VALUES (3000, 's1', 'new', 'x') ON CONFLICT (ssn) DO UPDATE SET id = EXCLUDED.id, name = EXCLUDED.name RETURNING id, ssn, mail, name;
INSERT INTO person VALUES (3000, 'new', 'm2', 'x') ON CONFLICT ON CONSTRAINT person_mail_key DO NOTHING;
MERGE INTO person p USING (VALUES ('s2', 'merged'), ('s9999', 'new')) v (ssn, name) ON p.ssn = v.ssn
WHEN MATCHED THEN UPDATE SET name = v.name WHEN NOT MATCHED THEN INSERT VALUES (9999, v.ssn, 'm9999', v.name);
SELECT id, ssn, name FROM person WHERE ssn IN ('s2', 's9999') ORDER BY id;
UPDATE person SET ssn = 'changed' WHERE ssn = 's2';
DELETE FROM person WHERE ssn = 's3';
SELECT person, count(*) FROM visit WHERE person IN ('s2', 'changed', 's3', 's4') GROUP BY 1 ORDER BY 1;

-- plans: equality of searchable columns uses the index, however the operand is written
SET jit = off;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS off) ' || query LOOP
        CONTINUE WHEN line ~ '^ *Disabled: ';       -- from 18
        RETURN NEXT regexp_replace(line, '(Cond|Key|Filter): (.*)', '\1');
    END LOOP;
END $$;
SELECT plan('SELECT id FROM person WHERE ssn = ''s5''');
SELECT plan('SELECT id FROM person WHERE ssn = ANY (ARRAY[''s5'', ''s6'']::text[])');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT plan('SELECT p.id FROM visit v JOIN person p ON p.ssn = v.place');
RESET enable_hashjoin;
RESET enable_mergejoin;
SELECT id FROM person WHERE ssn = 's5'::text;
SELECT id FROM person WHERE ssn = ANY (ARRAY['s5', 's6']) ORDER BY 1;
SELECT count(*) FROM visit WHERE person = 's5';
RESET enable_seqscan;
RESET enable_bitmapscan;

-- joins by every method give the same
CREATE TABLE list AS SELECT 's' || i AS ssn, 'n' || i % 10 AS name FROM generate_series(1, 50) i;
CREATE FUNCTION joins() RETURNS TABLE (ss bigint, sp bigint, rr bigint, rp bigint, rs bigint) LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM person JOIN visit ON ssn = person), (SELECT count(*) FROM visit v JOIN list ON v.person = ssn),
        (SELECT count(*) FROM person a JOIN person b ON a.name = b.name WHERE a.id < 20 AND b.id < 50),
        (SELECT count(*) FROM person a JOIN list b ON a.name = b.name WHERE a.id < 100),
        (SELECT count(*) FROM person a JOIN visit b ON a.name = b.person) $$;
SET enable_mergejoin = off; SET enable_nestloop = off;
SELECT * FROM joins();
SELECT plan('SELECT 1 FROM person a JOIN person b ON a.name = b.name');
SELECT plan('SELECT 1 FROM person a JOIN list b ON a.name = b.name');
RESET enable_mergejoin; SET enable_hashjoin = off; SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_sort = on;
SELECT * FROM joins();
SELECT plan('SELECT 1 FROM person a JOIN person b ON a.name = b.name');
SELECT plan('SELECT 1 FROM person a JOIN list b ON a.name = b.name');
SET enable_mergejoin = off; RESET enable_nestloop;
SELECT * FROM joins();
RESET enable_mergejoin; RESET enable_hashjoin; RESET enable_indexscan; RESET enable_indexonlyscan;

-- tokens: an order that has nothing to do with that of plaintexts, equal exactly where values are
SELECT count(*) FROM person a, person b WHERE a.id < 30 AND b.id < 30 AND (a.ssn ~<~ b.ssn)::int + (a.ssn = b.ssn)::int + (a.ssn ~>~ b.ssn)::int <> 1;
SELECT count(*) FROM person a, person b WHERE a.id < 30 AND b.id < 30 AND (a.ssn ~<=~ b.ssn) <> (NOT a.ssn ~>~ b.ssn);
SELECT count(*) > 0 AS differs FROM person a, person b WHERE a.id < 30 AND b.id < 30 AND (a.ssn ~<~ b.ssn) <> (a.ssn < b.ssn);
SELECT count(*) FROM person a, person b WHERE a.id < 30 AND b.id < 30 AND (a.ssn = b.ssn) <> keyring_text_token_eq(a.ssn, b.ssn);
SELECT count(*) FROM person a, person b WHERE a.id < 30 AND b.id < 30 AND (a.name = b.name) <> (keyring_text_hash(a.name) = keyring_text_hash(b.name));
SELECT bool_and(keyring_text_hash_extended(ssn, 0) & 4294967295 = keyring_text_hash(ssn)::bigint & 4294967295) AS hashes_agree FROM person;
SELECT keyring_text_token_eq(name, ssn) FROM person LIMIT 1;

DROP SCHEMA type_classes CASCADE;
DROP EXTENSION keyring;
