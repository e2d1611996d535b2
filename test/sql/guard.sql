-- What is refused, with the form that works instead.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_guard;
\c regress_guard
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), r encrypted_text, p text);
INSERT INTO t VALUES (1, 'x', 'x', 'x');

-- indexes and constraints: searchable columns in token order
CREATE INDEX ON t (r);
CREATE INDEX ON t USING hash (r);
CREATE INDEX ON t (id, r);
CREATE INDEX ON t (v encrypted_text_order_ops);
CREATE INDEX ON t ((v || 'x'));
CREATE INDEX ON t ((COALESCE(v, r)));
CREATE INDEX ON t ((ARRAY[v]));
CREATE INDEX ON t (id) WHERE v = 'x';
CREATE INDEX ON t USING brin (v);
CREATE INDEX ON t USING gin (v);
CREATE TABLE refused (r encrypted_text PRIMARY KEY);
CREATE TABLE refused (r encrypted_text UNIQUE);
CREATE TABLE refused (r encrypted_text, EXCLUDE (r WITH =));
ALTER TABLE t ADD UNIQUE (r);
CREATE UNIQUE INDEX ON t (v);
CREATE INDEX ON t USING hash (v);
CREATE INDEX CONCURRENTLY ON t (v, id);
CREATE INDEX ON t (id) INCLUDE (r);
CREATE INDEX ON t (id) WHERE v IS NOT NULL;
CREATE TABLE excluding (v encrypted_text(searchable), EXCLUDE (v WITH =));
REINDEX TABLE CONCURRENTLY t;
ALTER TABLE t ALTER COLUMN v TYPE encrypted_text(randomized);

-- foreign keys: both ends searchable
CREATE TABLE refused (r encrypted_text REFERENCES t (v));
\set VERBOSITY terse
CREATE TABLE refused (p text REFERENCES t (v));
CREATE TABLE refused (b encrypted_bytea(searchable) REFERENCES t (v));
\set VERBOSITY default
CREATE TABLE referencing (v encrypted_text(searchable) REFERENCES t (v) ON UPDATE CASCADE ON DELETE SET NULL);
INSERT INTO referencing VALUES ('x'), ('x');
INSERT INTO referencing VALUES ('y');
UPDATE t SET v = 'z';
SELECT * FROM referencing;
DELETE FROM t;
SELECT * FROM referencing;
ALTER TABLE referencing ALTER COLUMN v TYPE encrypted_text;

-- an encrypted value is a column of its own
CREATE DOMAIN a_domain AS encrypted_text;
CREATE TYPE a_range AS RANGE (subtype = encrypted_text);
CREATE TYPE composite AS (a integer, b encrypted_text);
CREATE TYPE composite_with_mode AS (a integer, b encrypted_text(searchable));
CREATE TABLE refused (v encrypted_text[]);
CREATE TABLE refused (v a_domain);
CREATE TABLE refused (v a_domain[]);
CREATE TABLE refused (v a_range);
CREATE TABLE refused (v a_multirange);
CREATE TABLE refused (v composite);
CREATE TABLE refused (v composite_with_mode[]);
CREATE TABLE refused (v t);
CREATE TABLE refused AS SELECT ARRAY[v] AS v FROM t;
CREATE TABLE refused AS SELECT t AS v FROM t;
CREATE MATERIALIZED VIEW refused AS SELECT ROW(1, v)::composite AS v FROM t;
CREATE TABLE refused OF composite;
CREATE TABLE typed OF composite_with_mode;
CREATE TABLE plain (n integer);
CREATE TABLE of_plain (v plain);
ALTER TABLE plain ADD COLUMN v encrypted_text[];
ALTER TABLE plain ADD COLUMN v encrypted_text;
ALTER TABLE plain ALTER COLUMN n TYPE encrypted_text USING NULL;
CREATE TYPE part AS (n integer);
CREATE TABLE of_part (v part);
ALTER TYPE part ADD ATTRIBUTE v encrypted_text;
ALTER TYPE part ADD ATTRIBUTE v encrypted_text CASCADE;

-- a generated column may be sealed, not opened
CREATE TABLE refused (v encrypted_text, upper text GENERATED ALWAYS AS (upper(v)) STORED);
CREATE TABLE generated (p text, v encrypted_text GENERATED ALWAYS AS (upper(p)) STORED);
INSERT INTO generated VALUES ('x'), ('x');
UPDATE generated SET p = 'y';
SELECT v, (keyring_inspect(v)).searchable FROM generated;

-- partition keys, extended statistics, collations
CREATE TABLE refused (v encrypted_text(searchable)) PARTITION BY LIST (v);
CREATE TABLE refused (v encrypted_text(searchable)) PARTITION BY HASH (v);
CREATE TABLE refused (v encrypted_text(searchable)) PARTITION BY RANGE ((v::text));
CREATE STATISTICS refused ON v, id FROM t;
CREATE STATISTICS refused ON (v || 'x'), id FROM t;
CREATE STATISTICS refused ON (COALESCE(v, r)) FROM t;
CREATE STATISTICS of_plain_columns ON p, id FROM t;
ALTER TABLE t ALTER COLUMN p TYPE encrypted_text;
CREATE COLLATION ignoring_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE refused (v encrypted_text(searchable) COLLATE ignoring_case);
CREATE TABLE collated (v encrypted_text COLLATE ignoring_case);
ALTER TABLE collated ALTER COLUMN v TYPE encrypted_text(searchable) COLLATE ignoring_case;

-- the type of a column: only keyring_decrypt_column leads back to plaintext
CREATE TABLE keeps (v encrypted_text(searchable), r encrypted_text);
INSERT INTO keeps VALUES ('x', 'x');
ALTER TABLE keeps ALTER COLUMN v TYPE text;
ALTER TABLE keeps ALTER COLUMN v TYPE varchar(10);
ALTER TABLE keeps ALTER COLUMN v TYPE text USING 'lost';
ALTER TABLE keeps ALTER COLUMN v TYPE bytea USING NULL;
ALTER TABLE keeps ALTER COLUMN v TYPE encrypted_bytea USING NULL;
CREATE TABLE keeps_child () INHERITS (keeps);
ALTER TABLE keeps ALTER COLUMN r TYPE text;
ALTER TABLE keeps ALTER COLUMN r TYPE encrypted_text(searchable), ALTER COLUMN v TYPE encrypted_text;
\d keeps_child
SET client_min_messages = warning;
SELECT keyring_decrypt_column('keeps', 'r');
\d keeps

\c :start
DROP DATABASE regress_guard WITH (FORCE);
