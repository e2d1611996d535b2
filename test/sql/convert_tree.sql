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
