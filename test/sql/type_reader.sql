-- keyring.require_reader: whoever may not read gets no plaintext, and no answer about it, but may write.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE SCHEMA type_reader;
SET search_path = type_reader, public;
CREATE TABLE t (id integer PRIMARY KEY, r encrypted_text(randomized), s encrypted_text(searchable) UNIQUE, b encrypted_bytea(randomized));
INSERT INTO t VALUES (1, 'one', 'one', 'one'), (2, 'two', 'two', 'two');
CREATE ROLE regress_writer;
GRANT USAGE, CREATE ON SCHEMA type_reader TO regress_writer;
GRANT ALL ON t TO regress_writer;
SET keyring.require_reader = on;
SET ROLE regress_writer;
\set VERBOSITY terse

-- reading in any way
SELECT r FROM t;
SELECT b FROM t;
SELECT r::text FROM t;
SELECT length(r) FROM t;
SELECT format('%s', s) FROM t;
SELECT keyring_text_send(r) FROM t;
SELECT keyring_bytea_open(b) FROM t;
COPY t TO stdout;
DO $$ BEGIN PERFORM (SELECT r::text FROM t WHERE id = 1); END $$;

-- asking about it
SELECT id FROM t WHERE r = 'one';
SELECT id FROM t WHERE s = 'one';
SELECT id FROM t WHERE s = 'one'::text;
SELECT id FROM t WHERE s IN ('one', 'x');
SELECT id FROM t WHERE r > 'a';
SELECT id FROM t ORDER BY r;
SELECT a.id FROM t a JOIN t b ON a.r = b.r;
SELECT DISTINCT r FROM t;
SELECT count(DISTINCT r) FROM t;
SELECT greatest(r, s) FROM t;
SELECT keyring_text_operand(r) IS NULL FROM t;
SELECT keyring_text_operand('one'::text) IS NULL;
SELECT keyring_text_operands('{one}'::text[]) IS NULL;
CREATE TABLE guess (v encrypted_text(searchable));
INSERT INTO guess SELECT r FROM t;      -- adds tokens to values that had none

-- what needs no plaintext: counting, headers, tokens that are stored
SELECT count(r), count(s) FROM t;
SELECT id, (keyring_inspect(r)).plaintext_bytes FROM t ORDER BY id;
SELECT count(*) FROM t a JOIN t b ON a.s = b.s;
EXPLAIN (COSTS off) SELECT id FROM t WHERE s = 'one';
SELECT count(DISTINCT s) IS NOT NULL AS counted FROM (SELECT s FROM t GROUP BY s) x;

-- writing, and moving values between columns
INSERT INTO t VALUES (3, 'three', 'three', 'three'), (4, NULL, NULL, NULL);
UPDATE t SET r = 'new' WHERE id = 2;
UPDATE t SET r = s WHERE id = 1;
INSERT INTO t SELECT id + 10, r, NULL, b FROM t WHERE id = 3;
INSERT INTO t VALUES (5, 'x', 'one');
\set VERBOSITY default
INSERT INTO t VALUES (5, 'x', 'one');   -- the key is not shown
\set VERBOSITY terse
DELETE FROM t WHERE id = 4;

-- the placeholder of error messages is not stored in the place of a value
CREATE TABLE note (line text);
INSERT INTO note SELECT format('%s', r) FROM t;
INSERT INTO note SELECT t::text FROM t;
INSERT INTO note SELECT r FROM t;
CREATE TABLE noted (id integer UNIQUE, v encrypted_text, line text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.line := format('%s', NEW.v);
    RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE INSERT ON noted FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO noted VALUES (1, 'one');
COPY noted (id, v) FROM stdin;
1	one
\.
DROP TRIGGER note ON noted;
CREATE FUNCTION note_late() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    line text := format('%s', NEW.v);
BEGIN
    INSERT INTO note VALUES (line);
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER note_late AFTER INSERT ON noted DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION note_late();
INSERT INTO noted VALUES (2, 'two');
BEGIN;
INSERT INTO noted VALUES (2, 'two');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
DROP TRIGGER note_late ON noted;
INSERT INTO noted VALUES (3, 'three');
DO $$
BEGIN
    INSERT INTO noted VALUES (3, 'another');
EXCEPTION WHEN unique_violation THEN
    RAISE NOTICE '%', SQLERRM;
END $$;
INSERT INTO noted VALUES (4, 'four');
SELECT id, line FROM noted ORDER BY id;
SELECT * FROM note;

RESET ROLE;
SELECT keyring_grant('regress_writer', 'reader');
SET ROLE regress_writer;
SELECT * FROM t WHERE s = 'one' OR r > 'm' ORDER BY id;
RESET ROLE;
RESET keyring.require_reader;

DROP SCHEMA type_reader CASCADE;
DROP OWNED BY regress_writer;
DROP ROLE regress_writer;
DROP EXTENSION keyring;
