-- Values inside of other values: keyring_census() counts columns, so nothing else may store an envelope.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_guard_containers;
\c regress_guard_containers
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
\set VERBOSITY terse

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), p text);
INSERT INTO t VALUES (1, 'x', 'x');
CREATE DOMAIN a_domain AS encrypted_text;
CREATE DOMAIN an_array AS encrypted_text[];
CREATE TYPE composite AS (a integer, b encrypted_text);
CREATE DOMAIN a_composite AS composite;
CREATE TYPE nested AS (c a_composite[]);
CREATE TYPE a_range AS RANGE (subtype = encrypted_text);
CREATE TYPE range_of_domain AS RANGE (subtype = a_domain);

-- a type, or the row of a table or view, that a column has already does not become one that holds them
CREATE TYPE part AS (n integer);
CREATE TYPE around_part AS (p part);
CREATE TABLE of_part (v part);
CREATE TABLE of_array (v around_part[]);
ALTER TYPE part ADD ATTRIBUTE v encrypted_text;
ALTER TYPE part ADD ATTRIBUTE v encrypted_text[];
ALTER TYPE part ADD ATTRIBUTE v a_domain;
ALTER TYPE part ADD ATTRIBUTE v a_domain[];
ALTER TYPE part ADD ATTRIBUTE v an_array;
ALTER TYPE part ADD ATTRIBUTE v composite;
ALTER TYPE part ADD ATTRIBUTE v composite[];
ALTER TYPE part ADD ATTRIBUTE v a_composite;
ALTER TYPE part ADD ATTRIBUTE v nested;
ALTER TYPE part ADD ATTRIBUTE v a_range;
ALTER TYPE part ADD ATTRIBUTE v a_multirange;
ALTER TYPE part ADD ATTRIBUTE v range_of_domain;
ALTER TYPE part ADD ATTRIBUTE v t CASCADE;
ALTER TYPE part ADD ATTRIBUTE m integer, ADD ATTRIBUTE v encrypted_text[];
ALTER TYPE part ALTER ATTRIBUTE n TYPE encrypted_text[];
DROP TABLE of_part;
ALTER TYPE part ADD ATTRIBUTE v encrypted_text[];
DROP TABLE of_array;
ALTER TYPE part ADD ATTRIBUTE v encrypted_text[];
CREATE TYPE bound AS (n integer);
CREATE TYPE of_bounds AS RANGE (subtype = bound);
CREATE DOMAIN bounds AS of_bounds;
CREATE TABLE of_domain (v bounds[]);
ALTER TYPE bound ADD ATTRIBUTE v encrypted_text;
DROP TABLE of_domain;
CREATE TABLE of_multirange (v of_bounds_multirange);
ALTER TYPE bound ADD ATTRIBUTE v encrypted_text[];
CREATE TABLE refused (v part);
CREATE TABLE refused (v around_part);
CREATE TABLE refused OF around_part;
CREATE TYPE row_type AS (n text);
CREATE TABLE typed OF row_type;
ALTER TYPE row_type ADD ATTRIBUTE v encrypted_text[] CASCADE;
ALTER TYPE row_type ADD ATTRIBUTE v an_array CASCADE;
ALTER TYPE row_type ALTER ATTRIBUTE n TYPE a_domain CASCADE;
CREATE VIEW a_view AS SELECT 1 AS n;
CREATE TABLE of_view (v a_view);
CREATE OR REPLACE VIEW a_view AS SELECT 1 AS n, v FROM t;
CREATE OR REPLACE VIEW a_view AS SELECT 1 AS n, ARRAY[v] AS v FROM t;
CREATE OR REPLACE VIEW a_view AS SELECT 1 AS n, t AS v FROM t;
CREATE TABLE plain (n integer);
CREATE TABLE of_plain (v plain[]);
ALTER TABLE plain ADD COLUMN v encrypted_text(searchable);
CREATE TABLE heir () INHERITS (plain);
CREATE TABLE of_heir (v heir);
ALTER TABLE of_plain RENAME TO of_plain_before;
DROP TABLE of_plain_before;
ALTER TABLE plain ADD COLUMN v encrypted_text(searchable);

-- every way to make a column of such a type
CREATE TABLE refused (v nested);
CREATE TABLE refused (v range_of_domain);
CREATE TABLE refused (v an_array);
CREATE TEMPORARY TABLE refused (v a_composite);
CREATE UNLOGGED TABLE refused (v encrypted_text[]);
CREATE TABLE refused (id integer, v encrypted_text[]) PARTITION BY LIST (id);
CREATE TABLE refused AS SELECT array_agg(v) AS v FROM t;
CREATE TABLE refused AS SELECT array_agg(t) AS v FROM t;
CREATE TABLE refused AS SELECT a_range(v, v, '[]') AS v FROM t;
CREATE TABLE refused AS SELECT ROW(1, v) AS v FROM t;
CREATE TABLE refused AS SELECT array_agg(ROW(1, v)) AS v FROM t;
CREATE TEMPORARY TABLE refused AS SELECT v::a_domain AS v FROM t;
SELECT ROW(1, v)::composite AS v INTO refused FROM t;
SELECT (ARRAY[v])::an_array AS v INTO refused FROM t;
CREATE MATERIALIZED VIEW refused AS SELECT array_agg(v) AS v FROM t;
CREATE MATERIALIZED VIEW refused AS SELECT t AS v FROM t WITH NO DATA;
PREPARE arrays AS SELECT array_agg(v) AS v FROM t;
CREATE TABLE refused AS EXECUTE arrays;
ALTER TABLE t ADD COLUMN a encrypted_text[];
ALTER TABLE t ADD COLUMN a an_array DEFAULT NULL;
ALTER TABLE t ALTER COLUMN p TYPE encrypted_text[] USING NULL;
ALTER TABLE t ALTER COLUMN p TYPE a_domain USING NULL;
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE refused (v encrypted_text[]) SERVER nowhere;
CREATE FOREIGN TABLE foreign_table (n integer) SERVER nowhere;
ALTER FOREIGN TABLE foreign_table ADD COLUMN v an_array;
-- views store nothing, and variables and results may be anything
CREATE VIEW nothing_stored AS SELECT array_agg(v) AS a, array_agg(t) AS r FROM t;
CREATE FUNCTION first_of(v encrypted_text[]) RETURNS encrypted_text LANGUAGE sql AS 'SELECT v[1]';
SELECT first_of(a), r FROM nothing_stored;
-- what is copied by LIKE, INHERITS or a partition is a column, and counted
CREATE TABLE copied (LIKE t);
CREATE TABLE inherited () INHERITS (t);
CREATE TEMPORARY TABLE of_session AS TABLE t;
INSERT INTO copied TABLE t;
INSERT INTO inherited VALUES (2, 'x');
SELECT relation, column_name, value_count FROM keyring_census() ORDER BY relation::text;

-- whole rows: no index and no statistics
CREATE FUNCTION told(t) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN $1.id; END';
CREATE INDEX refused ON t ((t));
CREATE UNIQUE INDEX refused ON t (id, (t));
CREATE INDEX refused ON t ((COALESCE(t, NULL)));
CREATE INDEX refused ON t ((ARRAY[t]));
CREATE INDEX refused ON t ((ARRAY[v]::an_array));
CREATE INDEX refused ON t USING hash ((ROW(1, v)::composite));
ALTER TABLE t ADD EXCLUDE ((t) WITH =);
CREATE STATISTICS refused ON (told(t)) FROM t;
CREATE STATISTICS refused ON (ARRAY[v]) FROM t;
CREATE INDEX ON t (id) WHERE t IS NOT NULL;
CREATE TABLE later (n integer, p text);
CREATE INDEX whole ON later ((later));
ALTER TABLE later ADD COLUMN v encrypted_text(searchable);
ALTER TABLE later ALTER COLUMN p TYPE encrypted_text;
DROP INDEX whole;
CREATE INDEX whole ON later ((ARRAY[later]));
ALTER TABLE later ADD COLUMN v encrypted_text(searchable);
ALTER TABLE later ALTER COLUMN p TYPE encrypted_text;
DROP INDEX whole;
ALTER TABLE later ADD COLUMN v encrypted_text(searchable), ALTER COLUMN p TYPE encrypted_text;

-- stored expressions that cast to the row type of a table, its own and others': some versions of the server refuse a column that takes time to fill
CREATE TABLE rows_of (n integer, p text);
ALTER TABLE rows_of ADD CONSTRAINT own CHECK ((ROW(n, p)::rows_of).n > 0);
BEGIN;
ALTER TABLE rows_of ADD COLUMN v encrypted_text(searchable) DEFAULT 'x';
ROLLBACK;
ALTER TABLE rows_of DROP CONSTRAINT own, ADD COLUMN v encrypted_text(searchable) DEFAULT 'x';
CREATE TABLE of_others (n integer DEFAULT (ROW(1, 'x', NULL)::rows_of).n, CONSTRAINT theirs CHECK ((ROW(n, 'x', NULL)::rows_of).n > 0));
BEGIN;
ALTER TABLE rows_of ADD COLUMN w encrypted_integer DEFAULT 1;
ROLLBACK;
ALTER TABLE of_others ALTER n DROP DEFAULT;
BEGIN;
ALTER TABLE rows_of ADD COLUMN w encrypted_integer DEFAULT 1;
ROLLBACK;
ALTER TABLE of_others DROP CONSTRAINT theirs;
ALTER TABLE rows_of ADD COLUMN w encrypted_integer;
-- added again, they are as good as before
ALTER TABLE rows_of ADD CONSTRAINT own CHECK ((ROW(n, p, v, w)::rows_of).w < 10);
INSERT INTO rows_of VALUES (1, 'p', 'v', 9);
INSERT INTO rows_of VALUES (1, 'p', 'v', 10);

\c :start
DROP DATABASE regress_guard_containers WITH (FORCE);
