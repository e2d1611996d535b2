-- Where a violated constraint quotes a row, the client gets it, or a placeholder if it may not read; the error stays what it is.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_statements_errors;
\c regress_statements_errors
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable) UNIQUE, r encrypted_text NOT NULL, n integer CHECK (n > 0));
CREATE TABLE late (id integer, v encrypted_text(searchable) REFERENCES t (v) DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE odd (id integer CHECK (id % 2 = 1), v encrypted_text(searchable));
CREATE VIEW of_t AS SELECT * FROM t WHERE id < 100 WITH CHECK OPTION;
CREATE TABLE parts (id integer, v encrypted_text(searchable)) PARTITION BY LIST (id);
INSERT INTO t VALUES (1, 'one', 'x', 1), (2, 'two', 'x', 1);
INSERT INTO odd VALUES (1, 'one'), (1, 'one');
CREATE ROLE regress_statements_clerk;
GRANT CREATE ON SCHEMA public TO regress_statements_clerk;
ALTER TABLE odd OWNER TO regress_statements_clerk;
CREATE TABLE owned (id integer, v encrypted_text(searchable) UNIQUE);
CREATE TABLE owned_late (id integer, v encrypted_text(searchable) REFERENCES owned (v) ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE changes (what text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes SELECT TG_OP || ' ' || count(*) FROM owned o WHERE o.v = NEW.v;
    RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE UPDATE ON owned_late FOR EACH ROW EXECUTE FUNCTION note();
ALTER TABLE owned OWNER TO regress_statements_clerk;
ALTER TABLE owned_late OWNER TO regress_statements_clerk;
GRANT ALL ON changes, t, late, of_t, parts TO regress_statements_clerk;
-- sends every violation to the caller as text: what PL/pgSQL sees is what a client sees
CREATE FUNCTION try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
BEGIN
    EXECUTE statement;
    RETURN 'done';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM, '/', detail);
END $$;

CREATE TABLE statement (n serial, statement text);
GRANT SELECT ON statement TO regress_statements_clerk;
INSERT INTO statement (statement) VALUES
    ($$INSERT INTO t VALUES (3, 'one', 'x', 1)$$),
    ($$INSERT INTO t VALUES (3, 'three', NULL, 1)$$),
    ($$INSERT INTO t VALUES (3, 'three', 'x', 0)$$),
    ($$INSERT INTO t SELECT id, v, r, -1 FROM t$$),
    ($$UPDATE t SET v = 'two' WHERE id = 1$$),
    ($$UPDATE t SET r = NULL$$),
    ($$INSERT INTO t VALUES (1, 'three', 'x', 0) ON CONFLICT (id) DO UPDATE SET n = 0$$),
    ($$MERGE INTO t USING (VALUES (1)) AS s ON t.id = 1 WHEN MATCHED THEN UPDATE SET n = -1$$),
    ($$WITH w AS (INSERT INTO t VALUES (3, 'one', 'x', 1) RETURNING id) SELECT * FROM w$$),
    ($$INSERT INTO t VALUES (3, 'one', 'x', 1) RETURNING id$$),
    ($$INSERT INTO of_t VALUES (101, 'three', 'x', 1)$$),
    ($$INSERT INTO parts VALUES (1, 'x')$$),
    ($$CREATE UNIQUE INDEX ON odd (v)$$),
    ($$ALTER TABLE odd ADD UNIQUE (v)$$),
    ($$ALTER TABLE odd ADD CHECK (id = 3)$$);
SELECT try(statement) FROM statement ORDER BY n;
COPY t FROM STDIN;
3	one	x	1
\.
COPY t FROM STDIN;
3	three	x	0
\.
BEGIN;
INSERT INTO late VALUES (1, 'none');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
INSERT INTO late VALUES (1, 'none');

SET keyring.require_reader = on;
SET ROLE regress_statements_clerk;
SELECT try(statement) FROM statement ORDER BY n;
COPY t FROM STDIN;
3	one	x	1
\.
COPY t FROM STDIN;
3	three	x	0
\.
BEGIN;
INSERT INTO late VALUES (1, 'none');
SET CONSTRAINTS ALL IMMEDIATE;
ROLLBACK;
INSERT INTO late VALUES (1, 'none');

-- it writes, and copies from column to column, without reading
INSERT INTO t VALUES (3, 'three', 'x', 1);
UPDATE t SET v = v, r = v WHERE id = 3 RETURNING id;
INSERT INTO late VALUES (1, 'three');
INSERT INTO owned VALUES (1, 'three');
INSERT INTO owned_late VALUES (1, 'three');
UPDATE owned SET v = 'four';
TABLE changes;
DELETE FROM owned;
COPY t FROM STDIN;
4	four	x	1
\.
-- it is not shown anything, also where a row is modified, and may not compare
UPDATE t SET n = 2 WHERE id = 3 RETURNING v;
INSERT INTO t VALUES (5, 'five', 'x', 1) RETURNING *;
WITH w AS (UPDATE t SET n = 3 RETURNING v) SELECT * FROM w;
SELECT v FROM t;
SELECT id FROM t WHERE v = 'three';
SELECT id FROM t WHERE r = 'x';
SELECT id FROM t ORDER BY v;
UPDATE t SET v = r WHERE id = 3;
PREPARE guess (encrypted_text) AS SELECT id FROM t WHERE v = $1;
EXECUTE guess('three');
PREPARE guesses (encrypted_text[]) AS SELECT id FROM t WHERE v = ANY ($1);
EXECUTE guesses('{three}');
RESET ROLE;
EXECUTE guess('three');
EXECUTE guesses('{three,four}');
SELECT * FROM t ORDER BY id;

\c :start
DROP DATABASE regress_statements_errors WITH (FORCE);
DROP ROLE regress_statements_clerk;
