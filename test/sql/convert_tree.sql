-- Partitions and heirs are converted with their parent; keyring_census and keyring_inspect.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
SELECT keyring_activate(1);
SET client_min_messages = warning;
CREATE SCHEMA convert_tree;
SET search_path = convert_tree, public;

CREATE TABLE p (id integer, c varchar(5) DEFAULT 'none' CHECK (c <> 'x'), PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 (gone integer, c varchar(5) NOT NULL, id integer NOT NULL, CONSTRAINT p_c_check CHECK (c <> 'x'));
ALTER TABLE p2 DROP COLUMN gone;
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (10) TO (20);
CREATE INDEX ON p (c);
CREATE UNIQUE INDEX p1_own ON p1 (c);
INSERT INTO p VALUES (1, 'one'), (2, 'two'), (11, 'one');
CREATE VIEW on_partition AS SELECT c FROM p1;
CREATE INDEX p2_lower ON p2 (lower(c));
SELECT keyring_encrypt_column('p1', 'c', true);
SELECT keyring_encrypt_column('p', 'c');
SELECT keyring_encrypt_column('p', 'c', true);
SELECT keyring_encrypt_column('p', 'id');
DROP VIEW on_partition;
DROP INDEX p2_lower;
SELECT keyring_encrypt_column('p', 'c', true);
SELECT * FROM keyring_columns WHERE relation::text ~ '^p' ORDER BY 1;
SELECT conrelid::regclass, conname, pg_get_constraintdef(oid), coninhcount FROM pg_constraint
WHERE conrelid IN ('p'::regclass, 'p1'::regclass, 'p2'::regclass) AND contype = 'c' ORDER BY 1, 2;
SELECT id FROM p WHERE c = 'one' ORDER BY id;
INSERT INTO p (id) VALUES (3);
UPDATE p SET id = 12 WHERE id = 3;
SELECT tableoid::regclass, c::text FROM p WHERE id = 12;
INSERT INTO p VALUES (13, 'longer');

-- text as a partition key stays
CREATE TABLE by_text (c text, d text) PARTITION BY LIST (c);
SELECT keyring_encrypt_column('by_text', 'c', true);
SELECT keyring_encrypt_column('by_text', 'd', true);

-- inheritance: an heir with a column of its own, one with two parents
CREATE TABLE a (c text);
CREATE TABLE a1 (more integer) INHERITS (a);
CREATE TABLE a2 (c text) INHERITS (a);
INSERT INTO a VALUES ('a');
INSERT INTO a1 VALUES ('a1', 1);
INSERT INTO a2 VALUES ('a2');
SELECT keyring_encrypt_column('a', 'c');
SELECT tableoid::regclass, c::text FROM a ORDER BY 1;
SELECT keyring_decrypt_column('a2', 'c');
CREATE TABLE b (e text);
CREATE TABLE other (e text);
CREATE TABLE both_of () INHERITS (b, other);
SELECT keyring_encrypt_column('b', 'e');

-- each table keeps its own default, or none, and its own storage
CREATE TABLE d (id integer, c text DEFAULT 'top', n integer DEFAULT 1) PARTITION BY LIST (id);
CREATE TABLE d1 PARTITION OF d (c DEFAULT 'one') FOR VALUES IN (1);
CREATE TABLE d2 PARTITION OF d (n DEFAULT 2) FOR VALUES IN (2);
CREATE TABLE d3 PARTITION OF d (c DEFAULT upper('three')) FOR VALUES IN (3) PARTITION BY LIST (id);
CREATE TABLE d3a PARTITION OF d3 (c DEFAULT 'three ' || CURRENT_USER) FOR VALUES IN (3);
CREATE TABLE d4 PARTITION OF d FOR VALUES IN (4);
ALTER TABLE d2 ALTER COLUMN c DROP DEFAULT;
ALTER TABLE ONLY d1 ALTER COLUMN c SET STORAGE MAIN;
ALTER TABLE ONLY d3 ALTER COLUMN c SET STORAGE MAIN;
CREATE TABLE e (c text, b text DEFAULT 'b');
CREATE TABLE e1 (own integer) INHERITS (e);
CREATE TABLE e2 () INHERITS (e1);
ALTER TABLE ONLY e1 ALTER COLUMN c SET DEFAULT 'heir', ALTER COLUMN b DROP DEFAULT;
ALTER TABLE ONLY e2 ALTER COLUMN c SET STORAGE MAIN;
ALTER TABLE ONLY e ALTER COLUMN b SET STORAGE PLAIN;
CREATE VIEW columns AS
    SELECT attrelid::regclass::text AS "table", attname, atttypid::regtype AS type, attstorage AS storage, pg_get_expr(adbin, adrelid) AS "default"
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid::regclass::text ~ '^[de][0-9a]*$' AND attname IN ('b', 'c', 'n');
CREATE TABLE columns_before AS TABLE columns;
SELECT keyring_encrypt_column('d', 'c', true);
SELECT keyring_encrypt_column('d', 'n');
SELECT keyring_encrypt_column('e', 'c');
SELECT keyring_encrypt_column('e', 'b', true);
SELECT * FROM columns ORDER BY 1, 2;
INSERT INTO d1 (id) VALUES (1);
INSERT INTO d2 (id) VALUES (2);
INSERT INTO d3 (id) VALUES (3);
INSERT INTO d4 (id) VALUES (4);
INSERT INTO d (id) VALUES (1), (2);
INSERT INTO e1 DEFAULT VALUES;
SELECT id, c::text, n FROM d ORDER BY 1, 2;
SELECT tableoid::regclass, * FROM e;
SELECT keyring_decrypt_column('d', 'c');
SELECT keyring_decrypt_column('d', 'n');
SELECT keyring_decrypt_column('e', 'c');
SELECT keyring_decrypt_column('e', 'b');
SELECT "table", attname, type, storage FROM columns EXCEPT SELECT "table", attname, type, storage FROM columns_before;
SELECT "table", attname, "default" FROM columns ORDER BY 1, 2;
DROP VIEW columns;
DROP TABLE d, e, e1, e2, columns_before;

-- a storage that the base type cannot have goes
CREATE TABLE main (n encrypted_integer);
ALTER TABLE main ALTER COLUMN n SET STORAGE MAIN;
SELECT keyring_decrypt_column('main', 'n');
SELECT attstorage FROM pg_attribute WHERE attrelid = 'main'::regclass AND attname = 'n';

-- indexes of partitions: what belongs to the index is kept, not what it would inherit from that of the partitioned table
CREATE TABLE q (id integer NOT NULL, c text, d integer, CONSTRAINT q_id UNIQUE (id, c)) PARTITION BY LIST (id);
CREATE TABLE q1 PARTITION OF q FOR VALUES IN (1);
CREATE TABLE q2 (id integer NOT NULL, c text, d integer, CONSTRAINT own UNIQUE (id, c)) PARTITION BY LIST (id);
CREATE TABLE q2a PARTITION OF q2 (c NOT NULL) FOR VALUES IN (2);
COMMENT ON CONSTRAINT own ON q2 IS 'own constraint';
COMMENT ON INDEX own IS 'own index';
ALTER INDEX q2a_id_c_key RENAME TO taken;
ALTER INDEX taken SET (fillfactor = 40);
CREATE INDEX alone ON q1 (c) WITH (fillfactor = 33);
COMMENT ON INDEX alone IS 'alone';
ALTER TABLE q ATTACH PARTITION q2 FOR VALUES IN (2);
CREATE INDEX "of all" ON q (c);
COMMENT ON INDEX "of all" IS 'all';
CREATE INDEX of_some ON q USING hash (c) WITH (fillfactor = 44) WHERE d > 0;
ALTER INDEX q1_c_idx RENAME TO "quoted one";
ALTER INDEX q2a_c_idx RENAME TO q1_c_idx;
ALTER INDEX "quoted one" RESET (fillfactor);
CREATE INDEX unrelated ON q (d);
ALTER INDEX q1_d_idx RENAME TO q1_of_d;
ALTER TABLE q2a CLUSTER ON taken;
ALTER TABLE q2a REPLICA IDENTITY USING INDEX taken;
ALTER TABLE q1 CLUSTER ON alone;
ALTER TABLE q1 REPLICA IDENTITY FULL;
CREATE VIEW indexes AS
    SELECT relname, indrelid::regclass AS "table", pg_get_indexdef(indexrelid), (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = indexrelid) AS parent,
           indisreplident AS identity, indisclustered AS "cluster", obj_description(indexrelid, 'pg_class') AS comment,
           (SELECT concat_ws(' ', conname, obj_description(o.oid, 'pg_constraint')) FROM pg_constraint o WHERE conindid = indexrelid) AS "constraint",
           (SELECT relreplident FROM pg_class WHERE oid = indrelid) AS replica
    FROM pg_index JOIN pg_class i ON i.oid = indexrelid WHERE indrelid IN (SELECT relid FROM pg_partition_tree('q'));
CREATE TABLE indexes_before AS TABLE indexes;
INSERT INTO q VALUES (1, 'x', 1), (2, 'x', 1);
SELECT keyring_encrypt_column('q', 'c', true);
TABLE indexes EXCEPT TABLE indexes_before;
TABLE indexes_before EXCEPT TABLE indexes;
SELECT relname, parent, identity, "cluster", comment, "constraint" FROM indexes WHERE identity OR "cluster" OR comment > '' ORDER BY 1;
INSERT INTO q VALUES (2, 'x', 3);
-- a partition that went away keeps its mode; another mode does not come in
ALTER TABLE q DETACH PARTITION q1;
SELECT keyring_decrypt_column('q1', 'c');
ALTER TABLE q ATTACH PARTITION q1 FOR VALUES IN (1);
SELECT keyring_encrypt_column('q1', 'c', true);
ALTER TABLE q ATTACH PARTITION q1 FOR VALUES IN (1);
CREATE TABLE q3 (id integer NOT NULL, c encrypted_text(randomized), d integer);
ALTER TABLE q ATTACH PARTITION q3 FOR VALUES IN (3);
ALTER TABLE q3 ALTER COLUMN c TYPE encrypted_text(searchable);
ALTER TABLE q ATTACH PARTITION q3 FOR VALUES IN (3);
-- by its message alone: 18 points at the column, too
DO $$
BEGIN
    ALTER TABLE q1 ALTER COLUMN c TYPE encrypted_text(randomized);
    RAISE EXCEPTION 'was altered';
EXCEPTION WHEN invalid_table_definition THEN
    RAISE WARNING '%', SQLERRM;
END $$;
SELECT keyring_decrypt_column('q', 'c');
TABLE indexes_before EXCEPT TABLE indexes;
DROP VIEW indexes;
DROP TABLE q, indexes_before;

-- randomized to searchable and back stays encrypted all the way
BEGIN;
ALTER TABLE a ALTER COLUMN c TYPE encrypted_text(searchable);
SELECT (keyring_inspect(c)).searchable, count(*) FROM a GROUP BY 1;
ALTER TABLE a ALTER COLUMN c TYPE encrypted_text(randomized);
SELECT (keyring_inspect(c)).searchable, count(*) FROM a GROUP BY 1;
ROLLBACK;

-- values per key; a column of nothing but NULLs has none
CREATE TABLE empty (c text, n text);
INSERT INTO empty VALUES (NULL, NULL);
SELECT keyring_encrypt_column('empty', 'n');
CREATE MATERIALIZED VIEW mv AS SELECT c FROM a;
CREATE VIEW no_rows_of_its_own AS SELECT c FROM a;
SELECT relation, column_name, key_id, value_count
FROM keyring_census() WHERE relation::text ~ '^(p|p1|p2|a|a1|a2|mv|empty)$' ORDER BY 1, 2;
SELECT relation, value_count FROM keyring_census('a') ORDER BY 1;
SELECT relation, value_count FROM keyring_census('p', 'c') ORDER BY 1;
SELECT count(*) FROM keyring_census(column_name => 'n');
SELECT count(*) FROM keyring_census('empty', 'n');
SELECT * FROM keyring_census('empty', 'c');
SELECT * FROM keyring_census('empty', 'nothing');
SELECT * FROM keyring_census('b');
SELECT * FROM keyring_census(4294967295);

-- one snapshot, own changes included, deleted and rolled back rows left out
BEGIN;
INSERT INTO a VALUES ('new');
SELECT value_count FROM keyring_census('a') WHERE relation = 'a'::regclass;
SAVEPOINT s;
INSERT INTO a VALUES ('undone');
ROLLBACK TO s;
DELETE FROM a WHERE c = 'a';
SELECT value_count FROM keyring_census('a') WHERE relation = 'a'::regclass;
ROLLBACK;
CREATE TABLE late (c text);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT 1 AS snapshot;
SELECT keyring_encrypt_column('late', 'c');
INSERT INTO late VALUES ('x'), ('y');
SELECT value_count FROM keyring_census('late');
ROLLBACK;

-- headers; out of line, in line, compressed, searchable, as a constant
INSERT INTO a VALUES (repeat('x', 100000)), ((SELECT string_agg(md5(i::text), '') FROM generate_series(1, 1000) i)), ('');
SELECT i.key_id, i.key_tag ~ '^[0-9a-f]{8}$' AS tag,
       i.algorithm, i.searchable, i.compressed, i.plaintext_bytes
FROM a, keyring_inspect(c) i ORDER BY plaintext_bytes, compressed;
SELECT DISTINCT (keyring_inspect(c)).searchable FROM p;
SELECT keyring_inspect(NULL::encrypted_text);
SELECT (keyring_inspect('äö'::bytea::encrypted_bytea)).plaintext_bytes;

CREATE ROLE regress_convert_nobody;
SET ROLE regress_convert_nobody;
SELECT * FROM keyring_census();
SELECT (keyring_inspect('x'::text::encrypted_text)).plaintext_bytes;
SELECT count(*) > 0 AS columns FROM keyring_columns;
RESET ROLE;

DROP SCHEMA convert_tree CASCADE;
DROP ROLE regress_convert_nobody;
DROP EXTENSION keyring;
