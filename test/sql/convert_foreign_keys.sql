-- keyring_encrypt_column and keyring_decrypt_column: columns that foreign keys link change together.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
SELECT keyring_activate(1);
SET client_min_messages = warning;
CREATE SCHEMA convert_foreign_keys;
SET search_path = convert_foreign_keys, public;

-- every foreign key of the schema, with what its definition does not say
CREATE VIEW keys AS
    SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) AS definition, convalidated AS valid, conparentid <> 0 AS child,
           obj_description(oid, 'pg_constraint') AS comment,
           (SELECT string_agg(tgenabled::text, '' ORDER BY tgrelid::regclass::text, tgfoid::regproc::text) FROM pg_trigger WHERE tgconstraint = c.oid) AS enabled
    FROM pg_constraint c WHERE contype = 'f' AND connamespace = 'convert_foreign_keys'::regnamespace;
CREATE VIEW modes AS SELECT string_agg(concat_ws(' ', relation::text, column_name, CASE WHEN NOT searchable THEN 'randomized' END), ', ' ORDER BY relation::text, column_name) AS encrypted
    FROM keyring_columns WHERE relation IN (SELECT oid FROM pg_class WHERE relnamespace = 'convert_foreign_keys'::regnamespace);

CREATE TABLE country (code varchar(2) PRIMARY KEY, name text);
CREATE TABLE person (
    id text CONSTRAINT person_id PRIMARY KEY,
    boss text DEFAULT 'root' CONSTRAINT boss_fk REFERENCES person ON UPDATE CASCADE ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED,
    country char(2),
    CHECK (boss <> id OR id = 'root')
);
CREATE TABLE email (
    person text NOT NULL REFERENCES person ON UPDATE CASCADE ON DELETE CASCADE,
    kind integer,
    address varchar(30) UNIQUE,
    UNIQUE (person, kind)
);
CREATE TABLE bounce (
    person text,
    kind integer,
    extra text,
    CONSTRAINT "The ""bounced"" one" FOREIGN KEY (person, kind) REFERENCES email (person, kind) MATCH FULL ON UPDATE CASCADE ON DELETE SET NULL (person, kind)
);
INSERT INTO country VALUES ('at', 'Austria'), ('de', 'Germany');
INSERT INTO person VALUES ('root', 'root', 'at'), ('ada', 'root', 'de'), ('bob', 'ada', NULL);
INSERT INTO email VALUES ('ada', 1, 'ada@a'), ('ada', 2, 'ada@b'), ('bob', 1, 'bob@a');
INSERT INTO bounce VALUES ('ada', 2, 'nobody'), (NULL, NULL, NULL);
ALTER TABLE bounce ADD CONSTRAINT late FOREIGN KEY (extra) REFERENCES person (id) NOT VALID;
ALTER TABLE person ADD CONSTRAINT by_country FOREIGN KEY (country) REFERENCES country (code);
COMMENT ON CONSTRAINT boss_fk ON person IS 'who gives orders';
COMMENT ON CONSTRAINT late ON bounce IS 'not yet';
-- states of triggers that only a superuser gives
ALTER TABLE email DISABLE TRIGGER ALL;
DO $$ DECLARE s text; BEGIN
    SELECT string_agg(format('ALTER TABLE bounce ENABLE %s TRIGGER %I', CASE WHEN tgfoid = 'pg_catalog."RI_FKey_check_ins"'::regproc THEN 'ALWAYS' ELSE 'REPLICA' END, tgname), ';')
    INTO s FROM pg_trigger WHERE tgrelid = 'bounce'::regclass AND tgconstraint = (SELECT oid FROM pg_constraint WHERE conname LIKE 'The %');
    EXECUTE s;
END $$;
CREATE TABLE keys_before AS TABLE keys;
TABLE keys ORDER BY 1, 2;

-- a randomized column cannot be compared: nothing is brought along
SELECT keyring_encrypt_column('person', 'id');
-- from any end of any of them: the whole group, and nothing else
SET client_min_messages = notice;
SELECT keyring_encrypt_column('email', 'person', searchable => true);
SET client_min_messages = warning;
TABLE modes;
TABLE keys EXCEPT TABLE keys_before;
TABLE keys_before EXCEPT TABLE keys;
SELECT person::text, kind, address FROM email JOIN bounce USING (person, kind);
SELECT p.id, b.id AS boss FROM person p JOIN person b ON p.boss = b.id ORDER BY p.id;

-- they go on to work: refused, cascaded, set to the default, put off
INSERT INTO email VALUES ('eve', 1, 'eve@a');
DELETE FROM email WHERE person = 'eve';
ALTER TABLE email ENABLE TRIGGER ALL;
INSERT INTO email VALUES ('eve', 1, 'eve@a');
INSERT INTO bounce (extra) VALUES ('eve');
INSERT INTO bounce VALUES ('ada', NULL);
BEGIN;
INSERT INTO person VALUES ('eve', 'mallory');
SAVEPOINT s;
SELECT keyring_decrypt_column('person', 'boss');
ROLLBACK TO s;
INSERT INTO person VALUES ('mallory');
COMMIT;
UPDATE person SET id = 'lovelace' WHERE id = 'ada';
SELECT id, boss FROM person ORDER BY id;
SELECT person, kind FROM email ORDER BY 1, 2;
SELECT person, kind FROM bounce ORDER BY 1;
DELETE FROM person WHERE id IN ('lovelace', 'mallory');
SELECT id, boss FROM person ORDER BY id;
SELECT person, kind FROM email ORDER BY 1, 2;
SELECT person, kind FROM bounce ORDER BY 1;
ALTER TABLE bounce VALIDATE CONSTRAINT late;

-- and back, from another end; the state of triggers as it is now
CREATE TABLE keys_between AS TABLE keys;
SELECT keyring_decrypt_column('bounce', 'person');
TABLE modes;
TABLE keys EXCEPT TABLE keys_between;
TABLE keys_between EXCEPT TABLE keys;
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'email'::regclass AND attname = 'person';

-- varchar(n) with char(n): the length checks come and go with both
SELECT keyring_encrypt_column('person', 'country', true);
TABLE modes;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conname IN ('by_country', 'country_code_length', 'person_country_length') ORDER BY 2;
SELECT keyring_decrypt_column('country', 'code');
TABLE modes;

-- to a column that is encrypted already, by the implicit cast; a rollback
BEGIN;
CREATE TABLE mixed (c encrypted_text(searchable) REFERENCES country);
INSERT INTO mixed VALUES ('at');
SELECT keyring_encrypt_column('country', 'code', true);
TABLE modes;
SELECT conname, definition FROM keys WHERE conrelid = 'mixed'::regclass;
INSERT INTO mixed VALUES ('xx');
ROLLBACK;
TABLE modes;
TABLE keys EXCEPT TABLE keys_between;

-- a circle
CREATE TABLE x (a text PRIMARY KEY, b text);
CREATE TABLE y (a text PRIMARY KEY, b text REFERENCES x);
ALTER TABLE x ADD CONSTRAINT to_y FOREIGN KEY (b) REFERENCES y DEFERRABLE;
INSERT INTO x VALUES ('1', NULL);
INSERT INTO y VALUES ('2', '1');
UPDATE x SET b = '2';
SELECT keyring_encrypt_column('x', 'b', true);
TABLE modes;
SELECT keyring_encrypt_column('x', 'a', true);
TABLE modes;
SELECT conname, definition FROM keys WHERE conrelid IN ('x'::regclass, 'y'::regclass) ORDER BY 1;
DROP TABLE x, y;

-- an index that has the column in INCLUDE is made again, and a foreign key depends on it
CREATE TABLE included (id integer, c text, UNIQUE (id) INCLUDE (c));
CREATE TABLE including (id integer CONSTRAINT kept REFERENCES included (id));
INSERT INTO included VALUES (1, 'c');
INSERT INTO including VALUES (1);
SELECT keyring_encrypt_column('included', 'c');
INSERT INTO including VALUES (2);
SELECT keyring_decrypt_column('included', 'c');
INSERT INTO including VALUES (2);
DROP TABLE included, including;

-- partitioned on both sides; constraints of partitions have names of their own
CREATE TABLE ref (id integer, c text, PRIMARY KEY (id, c)) PARTITION BY LIST (id);
CREATE TABLE ref1 PARTITION OF ref FOR VALUES IN (1);
CREATE TABLE ref2 PARTITION OF ref FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE ref2a PARTITION OF ref2 FOR VALUES IN (2);
CREATE TABLE fk (n integer, id integer, c text) PARTITION BY LIST (n);
CREATE TABLE fk1 (id integer, n integer, c text, CONSTRAINT own_name FOREIGN KEY (id, c) REFERENCES ref (id, c));
CREATE TABLE fk2 PARTITION OF fk FOR VALUES IN (2);
ALTER TABLE fk ADD CONSTRAINT fk_ref FOREIGN KEY (id, c) REFERENCES ref (id, c) ON DELETE CASCADE;
ALTER TABLE fk1 DROP CONSTRAINT own_name, ADD CONSTRAINT own_name FOREIGN KEY (id, c) REFERENCES ref (id, c) ON DELETE CASCADE;
ALTER TABLE fk ATTACH PARTITION fk1 FOR VALUES IN (1);
CREATE TABLE alone (id integer, c text, CONSTRAINT to_partition FOREIGN KEY (id, c) REFERENCES ref1 (id, c));
ALTER TABLE fk2 ADD CONSTRAINT fk_own FOREIGN KEY (id, c) REFERENCES ref (id, c) NOT VALID;
COMMENT ON CONSTRAINT own_name ON fk1 IS 'of the partition';
ALTER TABLE fk2 DISABLE TRIGGER ALL;
INSERT INTO ref VALUES (1, 'one'), (2, 'two');
INSERT INTO fk VALUES (1, 1, 'one'), (2, 2, 'two');
INSERT INTO alone VALUES (1, 'one');
CREATE TABLE tree_before AS SELECT * FROM keys WHERE conrelid::regclass::text ~ '^(fk|alone)';
-- those of referenced partitions have names that differ between versions of PostgreSQL
SELECT conrelid, conname, definition, child, comment, enabled FROM tree_before WHERE conname !~ '_\d$|fkey' ORDER BY 1, 2;
SELECT keyring_encrypt_column('alone', 'c', true);
TABLE modes;
SELECT * FROM keys WHERE conrelid::regclass::text ~ '^(fk|alone)' EXCEPT TABLE tree_before;
TABLE tree_before EXCEPT TABLE keys;
INSERT INTO fk VALUES (1, 2, 'one');
INSERT INTO alone VALUES (1, 'two');
\set VERBOSITY sqlstate
DELETE FROM ref WHERE c = 'two';
\set VERBOSITY default
DELETE FROM fk WHERE c = 'two';
-- a partition that comes and goes
ALTER TABLE ref DETACH PARTITION ref2;
ALTER TABLE ref ATTACH PARTITION ref2 FOR VALUES IN (2);
CREATE TABLE other_mode (n integer, id integer, c text);
ALTER TABLE fk ATTACH PARTITION other_mode FOR VALUES IN (3);
SELECT keyring_encrypt_column('other_mode', 'c', true);
ALTER TABLE fk ATTACH PARTITION other_mode FOR VALUES IN (3);
SELECT keyring_decrypt_column('ref', 'c');
TABLE modes;
DROP TABLE alone, fk, ref, tree_before;

-- inheritance: a foreign key of an heir alone leads to the parent's column
CREATE TABLE target (c text PRIMARY KEY);
CREATE TABLE parent (c text);
CREATE TABLE heir (CONSTRAINT of_heir FOREIGN KEY (c) REFERENCES target) INHERITS (parent);
SELECT keyring_encrypt_column('target', 'c', true);
TABLE modes;
SELECT conname, definition FROM keys WHERE conrelid = 'heir'::regclass;
SELECT keyring_decrypt_column('heir', 'c');
SELECT keyring_decrypt_column('parent', 'c');
TABLE modes;
DROP TABLE heir, parent, target;

-- what stands in the way, in all tables, in one error
CREATE DOMAIN code AS text;
CREATE TABLE a (c text PRIMARY KEY, CHECK (c::integer > 0 OR c <> ''));
CREATE TABLE b (c text REFERENCES a, d varchar REFERENCES a, e code REFERENCES a, made text GENERATED ALWAYS AS (upper(c)) STORED);
CREATE TABLE by_list (c text REFERENCES a) PARTITION BY LIST (c);
CREATE INDEX b_lower ON b (lower(d));
CREATE VIEW of_b AS SELECT c FROM b;
CREATE VIEW of_a AS SELECT c FROM a;
SELECT keyring_encrypt_column('a', 'c', true);
DROP VIEW of_a, of_b;
DROP TABLE by_list;
DROP INDEX b_lower;
ALTER TABLE b DROP COLUMN e, DROP COLUMN made;
ALTER TABLE a DROP CONSTRAINT a_c_check;

-- rows that triggers are still to look at
ALTER TABLE b DROP CONSTRAINT b_c_fkey, ADD CONSTRAINT b_c_fkey FOREIGN KEY (c) REFERENCES a DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO b VALUES ('none');
SELECT keyring_encrypt_column('a', 'c', true);
ROLLBACK;
-- a query that reads one of the tables
SELECT keyring_encrypt_column('a', 'c', true) FROM b RIGHT JOIN (SELECT 1) one ON true;
-- values that triggers did not look at: the error of ADD CONSTRAINT, and nothing has changed
SET session_replication_role = replica;
INSERT INTO b VALUES ('orphan');
RESET session_replication_role;
SELECT keyring_encrypt_column('a', 'c', true);
DELETE FROM b;
TABLE modes;

-- who may: the owner of all, and each table is changed with its owner's rights
CREATE ROLE regress_keys_one;
CREATE ROLE regress_keys_two;
CREATE ROLE regress_keys_both IN ROLE regress_keys_one, regress_keys_two;
GRANT USAGE, CREATE ON SCHEMA convert_foreign_keys TO regress_keys_one, regress_keys_two;
SELECT keyring_grant(r, 'admin') FROM unnest('{regress_keys_one, regress_keys_two, regress_keys_both}'::regrole[]) r;
ALTER TABLE a OWNER TO regress_keys_one;
ALTER TABLE b OWNER TO regress_keys_two;
INSERT INTO a VALUES ('1');
INSERT INTO b VALUES ('1', NULL);
SET ROLE regress_keys_one;
SELECT keyring_encrypt_column('a', 'c', true);
SET ROLE regress_keys_both;
SELECT keyring_encrypt_column('a', 'c', true);
RESET ROLE;
GRANT REFERENCES (c) ON a TO regress_keys_two;
SET ROLE regress_keys_both;
SELECT keyring_encrypt_column('a', 'c', true);
RESET ROLE;
SELECT relname, relowner::regrole FROM pg_class WHERE oid IN ('a'::regclass, 'b'::regclass) ORDER BY 1;
TABLE modes;
-- the foreign key of an index alone, whose table belongs to another
CREATE TABLE mine (id integer, c text, UNIQUE (id) INCLUDE (c));
CREATE TABLE theirs (id integer REFERENCES mine (id));
ALTER TABLE mine OWNER TO regress_keys_one;
SET ROLE regress_keys_one;
SELECT keyring_encrypt_column('mine', 'c');
RESET ROLE;
-- an heir of another owner
CREATE TABLE heir () INHERITS (mine);
SET ROLE regress_keys_one;
SELECT keyring_encrypt_column('mine', 'c');
RESET ROLE;
-- decrypting shows plaintext to every owner
SET keyring.require_reader = on;
SELECT keyring_grant('regress_keys_both', 'reader');
SELECT keyring_grant('regress_keys_one', 'reader');
SET ROLE regress_keys_both;
SELECT keyring_decrypt_column('a', 'c');
RESET ROLE;
SELECT keyring_grant('regress_keys_two', 'reader');
SET ROLE regress_keys_both;
SELECT keyring_decrypt_column('a', 'c');
RESET ROLE;
RESET keyring.require_reader;
TABLE modes;

DROP SCHEMA convert_foreign_keys CASCADE;
DROP EXTENSION keyring;
DROP ROLE regress_keys_both, regress_keys_one, regress_keys_two;
