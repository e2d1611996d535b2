-- What stands in the way of keyring_encrypt_column: all of it in one error, and nothing has changed.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
SET client_min_messages = warning;

-- no key to seal with
CREATE TABLE too_early (c text);
SELECT keyring_encrypt_column('too_early', 'c');
DROP TABLE too_early;
SELECT keyring_activate(1);
CREATE SCHEMA convert_obstacles;
SET search_path = convert_obstacles, public;

CREATE COLLATION anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE FUNCTION takes_varchar(varchar) RETURNS boolean LANGUAGE sql IMMUTABLE RETURN $1 <> 'nix';
CREATE FUNCTION takes_any(anyelement, anyelement) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 <> $2';
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE parent (key text UNIQUE);
CREATE TABLE t (
    id integer PRIMARY KEY,
    c text REFERENCES parent (key),
    other text,
    made text GENERATED ALWAYS AS (upper(c)) STORED,
    UNIQUE (c),
    EXCLUDE USING hash (c WITH =),
    CONSTRAINT narrow CHECK (takes_varchar(c)),
    CONSTRAINT by_output CHECK (c ~ '^[^0-9]' OR c::integer > 0),
    CONSTRAINT polymorphic CHECK (takes_any(c, 'z'::text)),
    CONSTRAINT fine CHECK (c <> 'y')
);
CREATE TABLE child (c text REFERENCES t (c));
CREATE VIEW v AS SELECT c FROM t;
CREATE MATERIALIZED VIEW mv AS SELECT id FROM t WHERE c IS NULL;
CREATE VIEW unrelated AS SELECT id FROM t;
CREATE RULE r AS ON UPDATE TO t WHERE NEW.c IS NULL DO ALSO NOTHING;
CREATE POLICY p ON t USING (c = current_user);
CREATE TRIGGER by_column BEFORE UPDATE OF c ON t FOR EACH ROW EXECUTE FUNCTION noop();
CREATE TRIGGER by_when BEFORE INSERT ON t FOR EACH ROW WHEN (NEW.c > 'a') EXECUTE FUNCTION noop();
CREATE TRIGGER unrelated BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION noop();
CREATE STATISTICS s ON c, other FROM t;
CREATE INDEX plain ON t (c);
CREATE INDEX pattern ON t (c text_pattern_ops);
CREATE INDEX lower_c ON t (lower(c));
CREATE INDEX partial ON t (id) WHERE c > 'a';
CREATE INDEX present ON t (id) WHERE c IS NOT NULL;
CREATE INDEX brin ON t USING brin (c);
CREATE INDEX included ON t (id) INCLUDE (c);
CREATE INDEX caseless ON t (c COLLATE anycase);
CREATE INDEX unrelated_index ON t (other);
SET client_min_messages = error;
CREATE PUBLICATION by_list FOR TABLE t (id, c);
CREATE PUBLICATION by_filter FOR TABLE t WHERE (c IS NULL);
CREATE PUBLICATION whole FOR TABLE t;
SET client_min_messages = warning;
CREATE FUNCTION atomic() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT c FROM t; END;
CREATE FUNCTION by_text() RETURNS text LANGUAGE sql AS 'SELECT c FROM convert_obstacles.t';
CREATE TABLE holds_row (r t, rs t[]);

SELECT keyring_encrypt_column('t', 'c');
SELECT keyring_encrypt_column('t', 'c', searchable => true);
SELECT keyring_encrypt_column('parent', 'key', searchable => true);
SELECT keyring_encrypt_column('t', 'made');
SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname IN ('c', 'made');

-- the lines are true: with all of them done, the rest carries over
DROP VIEW v;
DROP MATERIALIZED VIEW mv;
DROP RULE r ON t;
DROP POLICY p ON t;
DROP TRIGGER by_column ON t;
DROP TRIGGER by_when ON t;
DROP STATISTICS s;
DROP INDEX pattern, lower_c, partial, brin, caseless;
DROP PUBLICATION by_list, by_filter;
DROP FUNCTION atomic();
DROP TABLE holds_row, child;
ALTER TABLE t DROP CONSTRAINT t_c_fkey, DROP CONSTRAINT t_c_excl, DROP CONSTRAINT by_output, DROP CONSTRAINT polymorphic, DROP COLUMN made;
SELECT keyring_encrypt_column('t', 'c', searchable => true);
SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 't'::regclass ORDER BY 1;
INSERT INTO t VALUES (1, 'y');
INSERT INTO t VALUES (1, 'x');
SELECT by_text();

-- encrypted already, and what stands in the way of the way back
CREATE VIEW v AS SELECT c FROM t;
SELECT keyring_encrypt_column('t', 'c');
SELECT keyring_decrypt_column('t', 'c');
DROP VIEW v;
SELECT keyring_decrypt_column('t', 'c');
SELECT keyring_decrypt_column('t', 'c');

-- no such thing
SELECT keyring_encrypt_column('nowhere', 'c');
SELECT keyring_encrypt_column(4294967295, 'c');
SELECT keyring_encrypt_column('t', 'nothing');
SELECT keyring_encrypt_column('t', 'ctid');
SELECT keyring_encrypt_column(NULL, 'c');
SELECT keyring_encrypt_column('t', NULL);
SELECT keyring_encrypt_column('t', 'c', NULL);
SELECT keyring_decrypt_column('t', NULL);
SELECT keyring_decrypt_column('t', 'nothing');

-- not a table that stores values
SELECT keyring_encrypt_column('unrelated', 'id');
CREATE TYPE pair AS (a text, b text);
SELECT keyring_encrypt_column('pair', 'a');
SELECT keyring_encrypt_column('pg_catalog.pg_description', 'description');
SELECT keyring_encrypt_column('keyring_key', 'label');

-- types
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE types (d email, a text[], p point, n name, i integer GENERATED ALWAYS AS IDENTITY);
SELECT keyring_encrypt_column('types', c) FROM (VALUES ('d'::name)) v (c);
SELECT keyring_encrypt_column('types', 'a');
SELECT keyring_encrypt_column('types', 'p');
SELECT keyring_encrypt_column('types', 'n');

-- collation
CREATE TABLE caseless_column (c text COLLATE anycase);
SELECT keyring_encrypt_column('caseless_column', 'c', searchable => true);
SELECT keyring_encrypt_column('caseless_column', 'c');
SELECT attcollation::regcollation FROM pg_attribute WHERE attrelid = 'caseless_column'::regclass AND attname = 'c';

-- typed tables, pending trigger events, a query that reads the table
CREATE TABLE typed OF pair;
SELECT keyring_encrypt_column('typed', 'a');
CREATE TABLE pending (c text);
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON pending DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION noop();
BEGIN;
INSERT INTO pending VALUES ('x');
SELECT keyring_encrypt_column('pending', 'c');
ROLLBACK;
SELECT keyring_encrypt_column('pending', 'c') FROM pending RIGHT JOIN (SELECT 1) one ON true;

-- the whole row is the column too, though pg_depend does not say so
CREATE TABLE whole (id integer, c text, CONSTRAINT compares CHECK (whole <> ROW(1, 'x')::whole), CONSTRAINT asks CHECK (whole IS NOT NULL));
CREATE FUNCTION told(whole) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1.c; END';
CREATE INDEX whole_row ON whole ((whole));
CREATE INDEX whole_told ON whole (told(whole));
CREATE INDEX whole_condition ON whole (id) WHERE whole <> ROW(1, 'x')::whole;
CREATE INDEX whole_asks ON whole (id) WHERE whole IS NOT NULL;
INSERT INTO whole VALUES (1, 'y');
SELECT keyring_encrypt_column('whole', 'c');
ALTER TABLE whole DROP CONSTRAINT compares;
DROP INDEX whole_row, whole_told, whole_condition;
SELECT keyring_encrypt_column('whole', 'c');
INSERT INTO whole VALUES (1, 'x');
INSERT INTO whole VALUES (1, NULL);
ALTER TABLE whole ADD CONSTRAINT compares CHECK (whole IS DISTINCT FROM ROW(1, 'zz'::text)::whole);
SELECT keyring_decrypt_column('whole', 'c');
ALTER TABLE whole DROP CONSTRAINT compares;
SELECT keyring_decrypt_column('whole', 'c');
TABLE whole;

-- who may
CREATE ROLE regress_convert_owner;
CREATE ROLE regress_convert_admin;
CREATE TABLE owned (c text);
ALTER TABLE owned OWNER TO regress_convert_owner;
GRANT USAGE, CREATE ON SCHEMA convert_obstacles TO regress_convert_owner, regress_convert_admin;
SELECT keyring_grant('regress_convert_admin', 'admin');
SET ROLE regress_convert_owner;
SELECT keyring_encrypt_column('owned', 'c');
SET ROLE regress_convert_admin;
SELECT keyring_encrypt_column('owned', 'c');
RESET ROLE;
GRANT regress_convert_owner TO regress_convert_admin;
SET ROLE regress_convert_admin;
SELECT keyring_encrypt_column('owned', 'c');
INSERT INTO owned VALUES ('x');
RESET ROLE;

-- decrypting shows plaintext, to the owner too
SET keyring.require_reader = on;
SET ROLE regress_convert_admin;
SELECT keyring_decrypt_column('owned', 'c');
RESET ROLE;
SELECT keyring_grant('regress_convert_admin', 'reader');
SET ROLE regress_convert_admin;
SELECT keyring_decrypt_column('owned', 'c');
RESET ROLE;
SELECT keyring_grant('regress_convert_owner', 'reader');
SET ROLE regress_convert_admin;
SELECT keyring_decrypt_column('owned', 'c');
TABLE owned;
RESET ROLE;
RESET keyring.require_reader;

-- expressions that make or hold a row of the table's type
CREATE TABLE shaped (id integer, c text);
ALTER TABLE shaped ADD CONSTRAINT of_itself CHECK ((ROW(id, c)::shaped).id > 0);
CREATE TABLE elsewhere (id integer, n integer DEFAULT (ROW(1, 'x')::shaped).id, CONSTRAINT a_constant CHECK (ROW(id, 'x') IS DISTINCT FROM '(7,x)'::shaped));
CREATE INDEX of_shape ON elsewhere (id) WHERE (ROW(id, 'x')::shaped).id > 0;
CREATE INDEX of_shapes ON elsewhere (((ROW(id, 'x')::shaped).id));
CREATE STATISTICS of_shape_too ON ((ROW(id, 'x')::shaped).id), n FROM elsewhere;
CREATE POLICY by_shape ON elsewhere USING ((ROW(id, 'x')::shaped).id > 0);
CREATE VIEW of_shape_view AS SELECT (ROW(id, 'x')::shaped).id FROM elsewhere;
CREATE DOMAIN checked_by_shape AS integer CHECK ((ROW(VALUE, 'x')::shaped).id > 0);
CREATE FUNCTION shape_by_default(shaped DEFAULT '(1,x)') RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION shape_without(shaped) RETURNS integer LANGUAGE sql AS 'SELECT 1';
SELECT keyring_encrypt_column('shaped', 'c');
DROP TABLE elsewhere CASCADE;
DROP DOMAIN checked_by_shape;
DROP FUNCTION shape_by_default;
ALTER TABLE shaped DROP CONSTRAINT of_itself;
INSERT INTO shaped VALUES (1, 'x');
SELECT keyring_encrypt_column('shaped', 'c');
ALTER TABLE shaped ADD CONSTRAINT of_itself CHECK ((ROW(id, c)::shaped).id > 0);
INSERT INTO shaped VALUES (0, 'y');
SELECT shape_without(shaped), c FROM shaped;

-- objects of another user's in front of PostgreSQL's own are not found while CHECKs are parsed again
CREATE SCHEMA trap;
CREATE FUNCTION trap.spy(encrypted_text, text) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE WARNING ''seen %'', $1; RETURN true; END';
CREATE OPERATOR trap.<> (LEFTARG = encrypted_text, RIGHTARG = text, FUNCTION = trap.spy);
CREATE FUNCTION trap.length(encrypted_text) RETURNS integer LANGUAGE plpgsql AS 'BEGIN RAISE WARNING ''seen %'', $1; RETURN 100; END';
CREATE FUNCTION trap.keyring_fits(encrypted_text, integer) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE WARNING ''seen %'', $1; RETURN true; END';
CREATE TYPE trap.encrypted_text AS ENUM ();
CREATE DOMAIN trap.text AS pg_catalog.text CHECK (false);
CREATE TABLE victim (c text CHECK (c <> 'y'), d varchar(9) CHECK (length(d) > 0));
INSERT INTO victim VALUES ('secret', 'secret');
SET search_path = trap, pg_catalog, convert_obstacles, public;
SELECT keyring_encrypt_column('convert_obstacles.victim', 'c');
SELECT keyring_encrypt_column('convert_obstacles.victim', 'd');
SET search_path = convert_obstacles, public;
SHOW search_path;

DROP SCHEMA convert_obstacles, trap CASCADE;
DROP PUBLICATION whole;
DROP EXTENSION keyring;
DROP ROLE regress_convert_owner, regress_convert_admin;
