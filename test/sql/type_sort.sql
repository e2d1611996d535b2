-- Sorting by plaintext: in memory, on disk, bounded, incremental, for aggregates; long values.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA type_sort;
SET search_path = type_sort, public;
SET max_parallel_workers_per_gather = 0;
SET jit = off;                          -- disabled plan types cost enough to start it
CREATE TABLE t (id integer, p text, r encrypted_text(randomized), s encrypted_text(searchable));
INSERT INTO t SELECT i, v, v, v FROM (
    SELECT i, CASE i % 5 WHEN 0 THEN 'common prefix ' || i * 7919 % 300 WHEN 1 THEN md5((i % 700)::text) WHEN 2 THEN chr(65 + i % 58)
        WHEN 3 THEN NULLIF(repeat('x', i % 40), '') ELSE CASE WHEN i % 11 = 0 THEN repeat(md5((i % 3)::text), 70) || i % 2 END END AS v
    FROM generate_series(1, 1000) i) x;

-- asks(...) runs a query over the plain and the encrypted columns ("@") and says where the answers differ
CREATE FUNCTION asks(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    plain text;
    encrypted text;
    name text;
BEGIN
    query := format('SELECT md5(string_agg(x::text, %L)) FROM (%s) AS x', '; ', query);
    EXECUTE replace(query, '@', 'p') INTO plain;
    FOREACH name IN ARRAY ARRAY['r', 's'] LOOP
        EXECUTE replace(query, '@', name) INTO encrypted;
        IF encrypted IS DISTINCT FROM plain THEN
            RETURN name || ' differs: ' || query;
        END IF;
    END LOOP;
    RETURN 'as text';
END $$;
CREATE VIEW queries AS SELECT * FROM (VALUES
    ('SELECT @ FROM t ORDER BY @'), ('SELECT @, id FROM t ORDER BY @ DESC NULLS LAST, id'), ('SELECT @ FROM t ORDER BY @ COLLATE "C"'),
    ('SELECT @ FROM t ORDER BY @ COLLATE "C" DESC LIMIT 40'), ('SELECT id, @ FROM t ORDER BY id % 4, @, id'), ('SELECT @, id FROM t ORDER BY @, id LIMIT 100 OFFSET 500'),
    ('SELECT DISTINCT @ FROM t ORDER BY @'), ('SELECT @, count(*) FROM t GROUP BY @ ORDER BY @'),
    ('SELECT count(DISTINCT @), min(@), max(@) FROM t'), ('SELECT id % 7, count(DISTINCT @), array_agg(DISTINCT @ COLLATE "C" ORDER BY @ COLLATE "C" DESC) FROM t GROUP BY 1 ORDER BY 1'),
    ('SELECT string_agg(DISTINCT @, $$,$$), mode() WITHIN GROUP (ORDER BY @), percentile_disc(ARRAY[0.1, 0.9]) WITHIN GROUP (ORDER BY @) FROM t'),
    ('SELECT dense_rank($$common prefix 2$$) WITHIN GROUP (ORDER BY @), rank($$c$$) WITHIN GROUP (ORDER BY @) FROM t'),
    ('SELECT id, rank() OVER (PARTITION BY id % 3 ORDER BY @), ntile(5) OVER (ORDER BY @, id) FROM t ORDER BY id'),
    ('SELECT @ FROM t WHERE id < 600 UNION SELECT @ FROM t WHERE id > 400 ORDER BY 1'), ('SELECT @ FROM t UNION ALL SELECT p FROM t ORDER BY 1'),
    ('SELECT DISTINCT ON (@) @, id FROM t ORDER BY @, id'), ('SELECT (SELECT string_agg(@, $$,$$ ORDER BY @) FROM t b WHERE b.id BETWEEN a.id AND a.id + 5) FROM t a WHERE id % 100 = 0 ORDER BY id')
) AS q (query);

SET work_mem = '64MB';
SELECT asks(query), count(*) FROM queries GROUP BY 1 ORDER BY 1;
SET work_mem = '64kB';                  -- runs on disk, merged
SELECT asks(query), count(*) FROM queries GROUP BY 1 ORDER BY 1;
SET enable_hashagg = off;
SELECT asks(query), count(*) FROM queries GROUP BY 1 ORDER BY 1;
RESET enable_hashagg;

-- an incremental sort, and a merge of sorted parts
CREATE INDEX ON t (id);
CREATE TABLE parts (id integer, p text, r encrypted_text(randomized), s encrypted_text(searchable)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (300);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (300) TO (10000);
INSERT INTO parts TABLE t;
SET enable_seqscan = off;
SELECT asks('SELECT id, @ FROM t ORDER BY id, @'), asks('SELECT @ FROM (SELECT * FROM parts_1 UNION ALL SELECT * FROM parts_2) x ORDER BY @ LIMIT 50'),
    asks('SELECT id, @ FROM parts ORDER BY @, id');
RESET enable_seqscan;
SET max_parallel_workers_per_gather = 2; SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
SELECT asks('SELECT id, @ FROM t ORDER BY @, id'), asks('SELECT @, count(*) FROM t GROUP BY @ ORDER BY @');
SET max_parallel_workers_per_gather = 0;

-- GREATEST and LEAST compare plaintexts, although they use the default class's function
SELECT asks('SELECT greatest(@, $$m$$), least(@, p, $$c$$), greatest(@, @) FROM t');

DROP SCHEMA type_sort CASCADE;
DROP EXTENSION keyring;
