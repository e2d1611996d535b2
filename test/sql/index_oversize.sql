-- A searchable value that does not fit into a btree: the error's hint is one that can be followed.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_index_oversize;
\c regress_index_oversize
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
SET keyring.compress_over = 0;

CREATE TABLE t (id integer, v encrypted_text(searchable), plain text);
CREATE INDEX i ON t (v);
INSERT INTO t VALUES (1, repeat('x', 2600));
INSERT INTO t VALUES (2, repeat('x', 2700));
PREPARE add (text) AS INSERT INTO t VALUES (4, $1);
EXECUTE add(repeat('x', 2700));
UPDATE t SET v = repeat('y', 2700);
DO $$
DECLARE
    hint text;
BEGIN
    UPDATE t SET v = repeat('y', 2700);
EXCEPTION WHEN program_limit_exceeded THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RAISE NOTICE 'hint: %', hint;
END $$;
SELECT id, length(v) FROM t;

-- building the index
DROP INDEX i;
INSERT INTO t VALUES (2, repeat('x', 2700));
CREATE INDEX i ON t (v);
ALTER TABLE t ADD UNIQUE (v);

-- what the hint says is true
CREATE INDEX ON t USING hash (v);
ALTER TABLE t ADD EXCLUDE USING hash (v WITH =);
\set VERBOSITY terse
INSERT INTO t VALUES (3, repeat('x', 2700));
\set VERBOSITY default
INSERT INTO t VALUES (3, repeat('x', 2701));
SET enable_seqscan = off;
SELECT id FROM t WHERE v = repeat('x', 2701);

-- a plain column keeps PostgreSQL's own
CREATE TABLE p (plain text);
ALTER TABLE p ALTER plain SET STORAGE external;
CREATE INDEX ip ON p (plain);
INSERT INTO p VALUES (repeat('x', 2800));

\c :start
DROP DATABASE regress_index_oversize WITH (FORCE);
