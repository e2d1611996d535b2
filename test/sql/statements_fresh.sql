-- Every envelope that a statement writes is made for its row, under the key that is primary then.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_statements_fresh;
\c regress_statements_fresh
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable) DEFAULT 'd', r encrypted_text DEFAULT 'd');
CREATE TABLE source (id integer PRIMARY KEY, v encrypted_text(searchable), r encrypted_text, plain text);

CREATE FUNCTION envelope(value encrypted_text) RETURNS text LANGUAGE plpgsql SET keyring.output_format = ciphertext AS
    'BEGIN RETURN format(''%s'', value); END';
-- How many rows and how many envelopes, under which keys; and whether the values of v carry a token and those of r none.
CREATE FUNCTION envelopes(relation text DEFAULT 't', OUT n bigint, OUT distinct_v bigint, OUT distinct_r bigint, OUT keys text, OUT modes text)
LANGUAGE plpgsql AS $$ BEGIN
    EXECUTE format('SELECT count(*), count(DISTINCT envelope(v)), count(DISTINCT envelope(r)),
        (SELECT string_agg(DISTINCT k::text, '','') FROM (SELECT (keyring_inspect(v)).key_id FROM %1$s AS a UNION SELECT (keyring_inspect(r)).key_id FROM %1$s AS b) AS s (k)),
        CASE WHEN bool_and((keyring_inspect(v)).searchable AND NOT (keyring_inspect(r)).searchable) THEN ''as declared'' ELSE ''wrong'' END FROM %1$s AS c',
        relation) INTO n, distinct_v, distinct_r, keys, modes;
END $$;
CREATE FUNCTION new_primary() RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    key integer := keyring_create_key();
BEGIN
    PERFORM keyring_activate(key);
    RETURN key;
END $$;

-- the measure shows a copy, and a wrong mode
CREATE TABLE copy (v encrypted_text(searchable), r encrypted_text);
WITH s (v) AS MATERIALIZED (SELECT 'x'::encrypted_text) INSERT INTO copy SELECT v, 'x' FROM s, generate_series(1, 3);
SELECT * FROM envelopes('copy');

-- INSERT: VALUES, SELECT, DEFAULT, RETURNING, COPY
INSERT INTO t VALUES (1, 'x', 'x');
INSERT INTO t VALUES (2, 'x', 'x'), (3, 'x', 'x'), (4, 'x', 'x'::text);
INSERT INTO t SELECT i, 'x', 'x' FROM generate_series(5, 8) AS i;
INSERT INTO t SELECT i, 'x'::encrypted_text, 'x'::encrypted_text FROM generate_series(9, 9) AS i;
INSERT INTO t VALUES (10, DEFAULT, DEFAULT), (11, DEFAULT, DEFAULT);
INSERT INTO t (id) SELECT i FROM generate_series(12, 13) AS i RETURNING *;
COPY t FROM STDIN;
14	x	x
15	x	x
\.
COPY t (id, v) FROM STDIN (FORMAT csv);
16,x
17,
\.
INSERT INTO t VALUES (18, NULL, NULL), (19, NULL, 'x');
SELECT * FROM envelopes();
DELETE FROM t WHERE v IS NULL OR r IS NULL;

-- the primary changes at a statement, also in the middle of a transaction
BEGIN;
SELECT new_primary();
INSERT INTO t VALUES (20, 'x', 'x');
SELECT id, (keyring_inspect(v)).key_id FROM t WHERE id IN (1, 20) ORDER BY id;
ROLLBACK;
INSERT INTO t VALUES (20, 'x', 'x');
SELECT * FROM envelopes();
SELECT new_primary();

-- UPDATE: literal, expression, column, subquery
UPDATE t SET v = 'y', r = 'y';
SELECT * FROM envelopes();
UPDATE t SET v = 'y'::encrypted_text, r = 'y'::text;
SELECT * FROM envelopes();
UPDATE t SET v = CASE WHEN id < 9 THEN 'y' ELSE 'z' END, r = lower('Z') RETURNING id, v, r;
SELECT * FROM envelopes();
SELECT new_primary();
UPDATE t SET v = v, r = r;
SELECT * FROM envelopes();
SELECT new_primary();
UPDATE t SET v = r, r = v;
SELECT * FROM envelopes();
SELECT new_primary();
UPDATE t SET (v, r) = (SELECT b.v, b.r FROM t b WHERE b.id = t.id);
SELECT * FROM envelopes();
SELECT new_primary();
UPDATE t SET v = COALESCE(v, 'none'), r = COALESCE(r, 'none');
SELECT * FROM envelopes();

-- from other tables: SELECT, UPDATE ... FROM, MERGE, ON CONFLICT, WITH
INSERT INTO source SELECT id, v, r, v FROM t;
SELECT * FROM envelopes('source');
SELECT new_primary();
UPDATE t SET v = s.v, r = s.r FROM source s WHERE s.id = t.id;
SELECT * FROM envelopes();
SELECT new_primary();
INSERT INTO t SELECT s.id, s.v, s.r FROM source s WHERE s.id < 10
    ON CONFLICT (id) DO UPDATE SET v = EXCLUDED.v, r = EXCLUDED.r;
INSERT INTO t AS a SELECT s.id, 'new', 'new' FROM source s WHERE s.id >= 10
    ON CONFLICT (id) DO UPDATE SET v = a.v, r = a.r;
SELECT * FROM envelopes();
SELECT new_primary();
DELETE FROM t WHERE id < 5;
MERGE INTO t USING source s ON t.id = s.id
    WHEN MATCHED AND t.id < 10 THEN UPDATE SET v = s.v, r = t.r
    WHEN MATCHED THEN UPDATE SET v = 'merged', r = 'merged'
    WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v, s.r);
SELECT * FROM envelopes();
SELECT new_primary();
WITH moved AS (DELETE FROM t RETURNING *), back AS (INSERT INTO t SELECT id + 100, v, r FROM moved RETURNING id)
    SELECT count(*) FROM back;
SELECT * FROM envelopes();
SELECT new_primary();
WITH changed AS (UPDATE t SET v = v, r = r WHERE id < 110 RETURNING *)
    UPDATE t SET v = t.v, r = t.r WHERE id >= 110;
SELECT * FROM envelopes();
SELECT new_primary();
INSERT INTO t (SELECT 301, v, r FROM source UNION ALL SELECT 302, v, r FROM source ORDER BY 1 LIMIT 1);
INSERT INTO t SELECT DISTINCT ON (v) 303 + id, v, r FROM source;
SELECT * FROM envelopes('(SELECT * FROM t WHERE id > 300)');

-- tables made from a query
SELECT new_primary();
CREATE TABLE made AS SELECT id, v, r FROM t;
SELECT * FROM envelopes('made');
SELECT DISTINCT v, r INTO into_distinct FROM t;
SELECT * FROM envelopes('into_distinct');
CREATE MATERIALIZED VIEW m AS SELECT v, r FROM t UNION ALL SELECT v, r FROM source;
SELECT * FROM envelopes('m');
SELECT new_primary();
REFRESH MATERIALIZED VIEW m;
SELECT * FROM envelopes('m');

-- also from a prepared query, and from rows that the query itself changes or deletes
PREPARE rows AS SELECT id, v, r FROM t;
PREPARE moved AS WITH gone AS (DELETE FROM source RETURNING id, v, r) SELECT * FROM gone;
SELECT new_primary();
CREATE TABLE copied_source AS TABLE source;
CREATE TABLE of_prepared AS EXECUTE rows;
SELECT * FROM envelopes('of_prepared');
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE) CREATE TABLE of_explained AS EXECUTE rows'; END $$;
SELECT * FROM envelopes('of_explained');
DO $$ BEGIN EXECUTE 'EXPLAIN (ANALYZE) CREATE TABLE of_explained_query AS SELECT id, v, r FROM t ORDER BY v, r'; END $$;
SELECT * FROM envelopes('of_explained_query');
BEGIN;
CREATE TABLE of_moved AS EXECUTE moved;
SELECT * FROM envelopes('of_moved');
ROLLBACK;
BEGIN;
CREATE TABLE of_moved AS WITH gone AS (DELETE FROM source RETURNING id, v, r) SELECT * FROM gone;
SELECT * FROM envelopes('of_moved');
ROLLBACK;
BEGIN;
CREATE TABLE of_moved AS WITH gone AS (DELETE FROM source RETURNING id, v, r) SELECT DISTINCT * FROM gone ORDER BY v;
SELECT * FROM envelopes('of_moved');
ROLLBACK;
BEGIN;
WITH gone AS (DELETE FROM source RETURNING id, v, r) SELECT id, v, r INTO of_moved FROM gone UNION ALL SELECT id, v, r FROM gone;
SELECT * FROM envelopes('of_moved');
ROLLBACK;
BEGIN;
CREATE TABLE of_moved AS WITH changed AS (UPDATE source SET plain = 'q' RETURNING id, v, r) SELECT *, generate_series(1, 2) FROM changed;
SELECT * FROM envelopes('of_moved');
ROLLBACK;
WITH gone AS (DELETE FROM copied_source WHERE id < 10 RETURNING id, v, r) INSERT INTO made SELECT * FROM gone UNION ALL SELECT * FROM gone ORDER BY v;
SELECT * FROM envelopes('(SELECT * FROM made OFFSET (SELECT count(*) FROM t))');
-- without a mode it is refused, as anywhere
PREPARE moved_text AS WITH gone AS (DELETE FROM source RETURNING plain) SELECT plain::encrypted_text AS v, NULL::encrypted_text AS r FROM gone;
CREATE TABLE refused AS EXECUTE moved_text;
-- a function that is called on the way stores nothing
CREATE FUNCTION passed(encrypted_text) RETURNS SETOF encrypted_text LANGUAGE plpgsql AS 'BEGIN RETURN QUERY SELECT $1; END';
PREPARE through AS SELECT v, r FROM t, passed(v) AS p WHERE p = t.v;
CREATE TABLE of_through AS EXECUTE through;
SELECT * FROM envelopes('of_through');
CREATE TABLE empty AS EXECUTE rows WITH NO DATA;
SELECT count(*) FROM empty;
-- an envelope that is given as such keeps its key
SELECT envelope(v) AS v, envelope(r) AS r FROM source WHERE id = 10 \gset
SET keyring.input_format = ciphertext;
CREATE TABLE given AS SELECT :'v'::encrypted_text(searchable) AS v, :'r'::encrypted_text(randomized) AS r;
RESET keyring.input_format;
SELECT * FROM envelopes('given');

-- prepared before a key became primary: custom plans, and the generic plan after the fifth execution
CREATE TABLE p (id integer, v encrypted_text(searchable), r encrypted_text);
PREPARE insert_literal (integer) AS INSERT INTO p VALUES ($1, 'x', 'x');
PREPARE insert_text (integer, text) AS INSERT INTO p VALUES ($1, $2, $2);
PREPARE insert_untyped AS INSERT INTO p (id, v, r) VALUES ($1, $2, $3);
PREPARE insert_encrypted (integer, encrypted_text) AS INSERT INTO p VALUES ($1, $2, $2);
PREPARE update_literal AS UPDATE p SET v = 'y', r = 'y';
PREPARE update_column AS UPDATE p SET v = v, r = r;
CREATE TABLE call (statement text);
INSERT INTO call VALUES ('insert_literal(1)'), ('insert_text(2, ''x'')'), ('insert_untyped(3, ''x'', ''x'')'), ('insert_encrypted(4, ''x'')');
SELECT format('EXECUTE %s', statement) FROM call, generate_series(1, 7) \gexec
SELECT * FROM envelopes('p');
SELECT new_primary();
SELECT format('EXECUTE %s', statement) FROM call, generate_series(1, 2) \gexec
SELECT * FROM envelopes('(SELECT * FROM p OFFSET 28)');
EXECUTE update_literal;
SELECT * FROM envelopes('p');
SELECT new_primary();
EXECUTE update_column;
SELECT * FROM envelopes('p');
SET plan_cache_mode = force_generic_plan;
EXECUTE update_literal;
SELECT new_primary();
EXECUTE update_literal;
SELECT * FROM envelopes('p');
SELECT new_primary();
EXECUTE update_column;
SELECT * FROM envelopes('p');
RESET plan_cache_mode;

-- triggers, functions, rules, views, partitions
CREATE TABLE parts (id integer, v encrypted_text(searchable), r encrypted_text DEFAULT 'none') PARTITION BY LIST (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF parts (r DEFAULT 'two') FOR VALUES IN (2);
CREATE FUNCTION fill_in() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    local encrypted_text := NEW.v;
BEGIN
    IF NEW.v = 'x' THEN NEW.r := 'triggered'; END IF;
    IF NEW.v = 'from r' THEN NEW.v := NEW.r; NEW.r := local; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fill_in BEFORE INSERT OR UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION fill_in();
INSERT INTO parts SELECT 1 + i % 2, 'x' FROM generate_series(1, 4) AS i;
INSERT INTO parts (id, v) VALUES (1, 'from r'), (2, 'from r'), (2, 'y');
INSERT INTO part_2 (id, v) VALUES (2, 'direct'), (2, 'direct');
SELECT id, v, r, count(*) FROM parts GROUP BY id, v, r ORDER BY v, r, id;
SELECT * FROM envelopes('parts');
SELECT new_primary();
UPDATE parts SET id = 3 - id, v = v, r = r;
SELECT * FROM envelopes('parts');

CREATE VIEW updatable AS SELECT id, v, r FROM t WHERE v <> 'refused' WITH CHECK OPTION;
CREATE FUNCTION change(x text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    row t;
BEGIN
    FOR row IN SELECT * FROM updatable LOOP
        row.v := x;
        row.r := row.v;
        UPDATE updatable SET v = row.v, r = row.r WHERE id = row.id;
    END LOOP;
END $$;
CREATE TABLE history (LIKE t);
CREATE RULE keep AS ON UPDATE TO t DO ALSO INSERT INTO history VALUES (OLD.id, OLD.v, OLD.r);
SELECT change('changed');
SELECT * FROM envelopes('t');
SELECT * FROM envelopes('history');
SELECT DISTINCT v, r FROM t;
UPDATE updatable SET v = 'refused' WHERE id = 101;
SELECT new_primary();
INSERT INTO updatable SELECT id + 1000, v, r FROM history WHERE id < 103;
SELECT * FROM envelopes('(SELECT * FROM t WHERE id > 1000)');

-- ADD COLUMN with a default, and changes of the mode
ALTER TABLE source ADD COLUMN added encrypted_text DEFAULT 'same', ADD COLUMN found encrypted_text(searchable) DEFAULT 'same'::encrypted_text;
SELECT count(*), count(DISTINCT envelope(added)), count(DISTINCT envelope(found)), bool_or((keyring_inspect(added)).searchable) AS added,
       bool_and((keyring_inspect(found)).searchable) AS found FROM source;
ALTER TABLE source ALTER COLUMN added TYPE encrypted_text(searchable), ALTER COLUMN found TYPE encrypted_text;
SELECT count(*), count(DISTINCT envelope(added)), count(DISTINCT envelope(found)), bool_and((keyring_inspect(added)).searchable) AS added,
       bool_or((keyring_inspect(found)).searchable) AS found FROM source;
SELECT DISTINCT added, found FROM source;

\c :start
DROP DATABASE regress_statements_fresh WITH (FORCE);
