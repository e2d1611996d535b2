-- However an encrypted column is made, it has a mode; a default of its type holds no envelope.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_columns_ddl;
\c regress_columns_ddl
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;

CREATE FUNCTION columns(relation regclass) RETURNS TABLE ("column" text, "type" text, "default" text) LANGUAGE sql AS $$
    SELECT attname, format_type(atttypid, atttypmod), pg_get_expr(adbin, adrelid)
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum
$$;

-- CREATE TABLE
CREATE TABLE t (
    id integer,
    bare encrypted_text,
    randomized encrypted_text(randomized),
    searchable encrypted_text(searchable) NOT NULL UNIQUE,
    literal encrypted_text DEFAULT 'x',
    cast_literal encrypted_text(searchable) DEFAULT 'x'::encrypted_text,
    base_literal encrypted_text DEFAULT 'x'::text,
    expression encrypted_text DEFAULT current_user,
    "null" encrypted_text DEFAULT NULL,
    bytes encrypted_bytea DEFAULT '\x00',
    qualified public.encrypted_bytea(searchable)
);
SELECT * FROM columns('t');
CREATE TABLE wrong (v encrypted_text(sometimes));
CREATE TABLE wrong (v encrypted_text(searchable, randomized));
CREATE TABLE wrong (v encrypted_text GENERATED ALWAYS AS ('x') STORED);
CREATE TABLE IF NOT EXISTS t (v encrypted_text);
CREATE TEMPORARY TABLE temporary (v encrypted_text DEFAULT 'x') ON COMMIT DROP;
CREATE UNLOGGED TABLE unlogged (v encrypted_text DEFAULT 'x');
SELECT * FROM columns('unlogged');

-- LIKE, INHERITS, PARTITION OF, OF
CREATE TABLE alike (LIKE t INCLUDING ALL, more encrypted_text);
SELECT * FROM columns('alike');
CREATE TABLE heir (extra encrypted_text, literal encrypted_text DEFAULT 'y') INHERITS (t);
SELECT * FROM columns('heir') WHERE "column" IN ('literal', 'extra', 'searchable');
CREATE TABLE misfit (searchable encrypted_text) INHERITS (t);
CREATE TABLE parts (id integer, v encrypted_text DEFAULT 'x', s encrypted_text(searchable)) PARTITION BY LIST (id);
CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE part_2 PARTITION OF parts (v DEFAULT 'y', s DEFAULT 'z' NOT NULL) FOR VALUES IN (2);
CREATE TABLE part_3 PARTITION OF parts (s WITH OPTIONS DEFAULT 'w') FOR VALUES IN (3) PARTITION BY LIST (id);
CREATE TABLE part_4 (s encrypted_text(searchable), v encrypted_text, id integer);
ALTER TABLE parts ATTACH PARTITION part_4 FOR VALUES IN (4);
CREATE TABLE part_5 (id integer, v encrypted_text, s encrypted_text);
ALTER TABLE parts ATTACH PARTITION part_5 FOR VALUES IN (5);
SELECT * FROM columns('part_2');
SELECT * FROM columns('part_3');
CREATE TYPE composite AS (id integer, v encrypted_text(searchable));
CREATE TABLE typed OF composite (v DEFAULT 'x');
SELECT * FROM columns('typed');
CREATE SCHEMA other CREATE TABLE inside (v encrypted_text DEFAULT 'x');
SELECT * FROM columns('other.inside');

-- ALTER TABLE
CREATE TABLE altered (id integer, p text DEFAULT 'p', v varchar(5) DEFAULT 'v');
INSERT INTO altered VALUES (1);
ALTER TABLE altered ADD COLUMN a encrypted_text, ADD COLUMN b encrypted_text(searchable) DEFAULT 'b', ADD e encrypted_bytea DEFAULT '\x01'::encrypted_bytea;
ALTER TABLE altered ALTER COLUMN p TYPE encrypted_text, ALTER COLUMN v TYPE encrypted_text(searchable) USING upper(v), ALTER COLUMN a SET DEFAULT 'a';
SELECT * FROM columns('altered');
INSERT INTO altered VALUES (2);
SELECT * FROM altered ORDER BY id;
ALTER TABLE altered ALTER COLUMN b TYPE encrypted_text, ALTER COLUMN a TYPE encrypted_text(searchable), ALTER COLUMN p SET DEFAULT 'q'::encrypted_text, ALTER COLUMN v DROP DEFAULT;
SELECT * FROM columns('altered');
SELECT * FROM altered ORDER BY id;
ALTER TABLE parts ADD COLUMN added encrypted_text DEFAULT 'added';
SELECT * FROM columns('part_4');
ALTER TABLE altered ADD COLUMN IF NOT EXISTS b encrypted_text;
DO $$ BEGIN
    FOR i IN 1..2 LOOP
        CREATE TABLE looped (v encrypted_text DEFAULT 'x');
        ALTER TABLE looped ADD COLUMN w encrypted_text DEFAULT 'y';
        INSERT INTO looped DEFAULT VALUES;
        IF i < 2 THEN DROP TABLE looped; END IF;
    END LOOP;
END $$;
SELECT * FROM columns('looped');
TABLE looped;
CREATE VIEW of_t AS SELECT id, searchable AS s, COALESCE(bare, 'none') AS c FROM t;
ALTER VIEW of_t ALTER COLUMN s SET DEFAULT 'from the view';
SELECT * FROM columns('of_t');
INSERT INTO of_t (id) VALUES (1);
SELECT id, searchable, literal, cast_literal, base_literal, "null", bytes FROM t;
CREATE FOREIGN DATA WRAPPER nothing;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
CREATE FOREIGN TABLE "foreign" (v encrypted_text, s encrypted_text(searchable) DEFAULT 'x') SERVER nowhere;
ALTER FOREIGN TABLE "foreign" ADD COLUMN w encrypted_text DEFAULT 'y';
SELECT * FROM columns('"foreign"');

-- tables made from a query
INSERT INTO t (id, searchable) VALUES (2, 'two');
CREATE TABLE made AS SELECT id, searchable, bare, COALESCE(bare, 'none') AS mixed, 'x'::encrypted_text AS literal, bare || 'x' AS plain FROM t;
SELECT * FROM columns('made');
CREATE TABLE made_named (a, b) AS SELECT id, COALESCE(searchable, 'none') FROM t ORDER BY id DESC;
SELECT * FROM columns('made_named');
TABLE made_named;
CREATE TABLE made_distinct AS SELECT DISTINCT ON (searchable) id, searchable, COALESCE(searchable, 'none') AS mixed FROM t ORDER BY searchable, id;
SELECT * FROM columns('made_distinct');
CREATE TABLE made_grouped AS SELECT searchable, literal, count(*) FROM t GROUP BY 1, 2 ORDER BY 1;
SELECT * FROM columns('made_grouped');
CREATE TABLE made_union AS SELECT searchable FROM t UNION SELECT bare FROM t;
SELECT * FROM columns('made_union');
CREATE TABLE made_values AS VALUES ('x'::encrypted_text), ('y');
SELECT * FROM columns('made_values');
CREATE TABLE made_with AS WITH changed AS (UPDATE t SET bare = 'changed' RETURNING id, bare, COALESCE(bare, 'x') AS mixed) SELECT * FROM changed;
SELECT * FROM columns('made_with');
SELECT searchable, id INTO TEMPORARY made_into FROM t;
SELECT * FROM columns('made_into');
CREATE TABLE made_empty AS SELECT searchable, COALESCE(bare, 'none') AS mixed FROM t WITH NO DATA;
SELECT * FROM columns('made_empty');
CREATE MATERIALIZED VIEW made_view AS SELECT searchable, COALESCE(bare, 'none') AS mixed FROM t WHERE searchable <> 'none' UNION ALL SELECT 'x'::encrypted_text, NULL;
SELECT * FROM columns('made_view');
CREATE UNIQUE INDEX ON made_grouped (searchable);
SELECT searchable::text, mixed::text FROM made_view ORDER BY made_view.searchable;
REFRESH MATERIALIZED VIEW made_view;
EXPLAIN (COSTS OFF) CREATE TABLE explained AS SELECT DISTINCT searchable FROM t;
DO $$ BEGIN EXECUTE 'EXPLAIN ANALYZE CREATE TABLE explained AS SELECT COALESCE(bare, ''none'') AS mixed FROM t'; END $$;
SELECT * FROM columns('explained');
PREPARE with_mode AS SELECT searchable FROM t;
PREPARE without_mode AS SELECT COALESCE(bare, 'none') AS mixed FROM t;
CREATE TABLE made_execute AS EXECUTE with_mode;
SELECT * FROM columns('made_execute');
CREATE TABLE refused AS EXECUTE without_mode;

-- a search_path that hides the types, or puts others before them
SET search_path = pg_catalog;
CREATE TABLE public.by_path (v encrypted_text);
CREATE TABLE public.by_path (v public.encrypted_text DEFAULT 'x');
SELECT * FROM public.columns('public.by_path');
CREATE DOMAIN other.encrypted_text AS text;
SET search_path = other, public;
CREATE TABLE by_path (v encrypted_text DEFAULT 'x');
SELECT * FROM columns('other.by_path');
RESET search_path;

\c :start
DROP DATABASE regress_columns_ddl WITH (FORCE);
