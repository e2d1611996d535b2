-- Encrypted columns are not lost together with the extension.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_guard_drop;
\c regress_guard_drop
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE TABLE t (id integer, v encrypted_text(searchable));
INSERT INTO t VALUES (1, 'x');
CREATE VIEW of_t AS SELECT * FROM t WHERE v = 'x';
DROP EXTENSION keyring;
DROP EXTENSION keyring CASCADE;
DROP TYPE encrypted_text CASCADE;
SELECT * FROM of_t;

-- not in roundabout ways either
DO 'BEGIN DROP EXTENSION keyring CASCADE; END';
SELECT * FROM of_t;

CREATE DATABASE regress_guard_schema;
\c regress_guard_schema
SET client_min_messages = warning;
CREATE SCHEMA one;
CREATE SCHEMA two;
CREATE ROLE regress_guard_owner SUPERUSER;
SET ROLE regress_guard_owner;
CREATE EXTENSION keyring SCHEMA one;
RESET ROLE;
CREATE TABLE one.t (v one.encrypted_text);
CREATE TABLE two.t (v one.encrypted_text(searchable));
CREATE MATERIALIZED VIEW two.m AS TABLE two.t;
DROP SCHEMA one CASCADE;
DROP SCHEMA one, two CASCADE;
DROP OWNED BY regress_guard_owner CASCADE;
DROP SCHEMA two CASCADE;
DROP SCHEMA one CASCADE;

-- columns may be dropped, and then the extension, also in one transaction
\set VERBOSITY default
BEGIN;
DROP EXTENSION keyring CASCADE;
ROLLBACK;
BEGIN;
DROP TABLE one.t;
DROP EXTENSION keyring CASCADE;
ROLLBACK;
BEGIN;
ALTER TABLE one.t DROP COLUMN v;
DROP SCHEMA one CASCADE;
ROLLBACK;

-- nobody but a superuser can say that it is meant
CREATE ROLE regress_guard_user;
SET ROLE regress_guard_user;
SET keyring.allow_drop_cascade = on;
RESET ROLE;
SET keyring.allow_drop_cascade = on;
DROP EXTENSION keyring CASCADE;
SELECT attname FROM pg_attribute WHERE attrelid = 'one.t'::regclass AND attnum > 0 AND NOT attisdropped;

-- the extension comes back as if it had never been there
RESET keyring.allow_drop_cascade;
CREATE EXTENSION keyring;
CREATE TABLE again (v encrypted_text);
\d again
DROP TABLE again;
DROP EXTENSION keyring;
SELECT 1 AS plain ORDER BY 1;

\c :start
DROP DATABASE regress_guard_schema WITH (FORCE);
DROP DATABASE regress_guard_drop WITH (FORCE);
DROP ROLE regress_guard_owner, regress_guard_user;
