-- Values that comparisons keep: not beyond the statement, and never for somebody who may not read.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE SCHEMA type_kept;
SET search_path = type_kept, public;
CREATE TABLE t (id integer PRIMARY KEY, r encrypted_text, n encrypted_numeric, big encrypted_bigint);
INSERT INTO t VALUES (1, 'one', 1, 1), (2, 'two', 2, 2);
CREATE TABLE long (r encrypted_text);
INSERT INTO long VALUES (repeat('x', 50000)), (repeat('y', 50000));
CREATE ROLE regress_kept;
GRANT USAGE ON SCHEMA type_kept TO regress_kept;
GRANT ALL ON t TO regress_kept;

-- what the type cache's functions opened to compare rows and arrays is gone with the statement
CREATE FUNCTION kept_bytes() RETURNS bigint LANGUAGE sql AS
    $$ SELECT coalesce(max(used_bytes), 0) FROM pg_backend_memory_contexts WHERE name = 'keyring opened values' $$;
SELECT a = b AS rows, ARRAY[a.r] = ARRAY[b.r] AS arrays FROM long a, long b ORDER BY 1, 2;
SELECT kept_bytes() < 20000 AS wiped;
DO $$ BEGIN PERFORM a < b FROM long a, long b; PERFORM 1 / 0; END $$;
SELECT kept_bytes() < 20000 AS wiped_after_an_error;
DO $$ BEGIN PERFORM a = b FROM long a, long b; COMMIT; RAISE WARNING 'wiped by COMMIT: %', kept_bytes() < 20000; END $$;

-- more values than there are places for at first
CREATE TABLE many AS SELECT i, i::text::encrypted_text AS r FROM generate_series(1, 3000) i;
SELECT count(*) FROM many a, many b WHERE a.i = b.i AND a = b;
SELECT count(*) FROM many a, many b WHERE a.i = b.i AND a = b;
SELECT kept_bytes() < 20000 AS wiped;

-- values too long for the table of a memo: what the call before returned is still there
CREATE TABLE huge AS SELECT i, repeat(md5((i % 4)::text), 4000) AS p, repeat(md5((i % 4)::text), 4000)::encrypted_text AS r FROM generate_series(1, 8) i;
SELECT count(*) FILTER (WHERE a.r = b.r) AS equal, count(*) FILTER (WHERE (a.r = b.r) <> (a.p = b.p)) AS wrong,
    count(*) FILTER (WHERE (a.r < b.r) <> (a.p < b.p)) AS wrong_order
FROM huge a, huge b;

-- what is hashed passes, what it is compared with is kept: each value is opened once, and those of groups again while the table grows
CREATE FUNCTION opened() RETURNS bigint LANGUAGE sql AS $$ SELECT value FROM keyring_stats WHERE name = 'values_opened' $$;
CREATE TABLE grouped AS SELECT i, (i % 2000)::text::encrypted_text AS r FROM generate_series(1, 10000) i;
SET enable_sort = off;
SELECT opened() AS before \gset
SELECT count(*) AS groups, min(n), max(n) FROM (SELECT count(*) AS n FROM grouped GROUP BY r) x;
SELECT opened() - :before BETWEEN 10000 AND 13500 AS opened_once;

-- nor is a token made again of a plaintext that repeats, whatever its length up to 19 bytes; equal ones that look different have the same
CREATE FUNCTION computed() RETURNS bigint LANGUAGE sql AS $$ SELECT value FROM keyring_stats WHERE name = 'tokens_computed' $$;
SELECT computed() AS before \gset
SELECT count(*) AS groups, min(n), max(n) FROM (SELECT count(*) AS n FROM grouped GROUP BY r) x;
SELECT computed() - :before BETWEEN 2000 AND 3500 AS made_once;
CREATE TABLE alike AS SELECT i, v, v::encrypted_text AS r, n, n::encrypted_numeric AS rn
    FROM generate_series(0, 499) i, LATERAL (SELECT repeat('x', i % 25) AS v, (i % 5 * 0.5)::numeric(9, 2)) y,
    LATERAL (SELECT CASE WHEN i % 2 = 0 THEN trim_scale(y.numeric) ELSE y.numeric END AS n) z;
SELECT computed() AS before \gset
SELECT count(*) AS groups, min(n), max(n) FROM (SELECT count(*) AS n, min(v) AS a, max(v) AS z FROM alike GROUP BY r) x WHERE a = z;
SELECT computed() - :before AS made_for_20_and_each_longer;
SELECT count(*) AS groups, min(k), max(k) FROM (SELECT count(*) AS k, min(n) AS a, max(n) AS z FROM alike GROUP BY rn) x WHERE a = z;
SELECT computed() AS before \gset
SELECT count(*) FROM (SELECT DISTINCT r FROM many) x;
SELECT computed() - :before AS made_where_none_repeats;
SELECT count(*) FROM (SELECT DISTINCT x FROM many x) y;
SELECT kept_bytes() < 20000 AS wiped_from_the_type_cache;
RESET enable_sort;
SELECT kept_bytes() < 20000 AS wiped;

-- what streams past is opened once for all expressions of its row; a loop that comes after it is noticed
SET max_parallel_workers_per_gather = 0;
CREATE TABLE lone AS SELECT 'lone'::encrypted_text AS r;
SELECT opened() AS before \gset
SELECT sum(length(r) + octet_length(r)) FROM grouped;
SELECT opened() - :before BETWEEN 10000 AND 10001 AS opened_once;
SELECT opened() AS before \gset
SELECT count(*) FROM (SELECT i, r FROM grouped UNION ALL SELECT i, r FROM generate_series(1, 40000) i, lone) x WHERE length(r) < 4 + i;
SELECT opened() - :before BETWEEN 11000 AND 35000 AS noticed;
RESET max_parallel_workers_per_gather;
SELECT kept_bytes() < 20000 AS wiped;

-- nor is it there for the next role
SELECT count(*) FROM t a, t b WHERE a = b;
SELECT count(*) FROM t a, t b WHERE ARRAY[a.n] < ARRAY[b.n];
SET keyring.require_reader = on;
SET ROLE regress_kept;
SELECT count(*) FROM t a, t b WHERE a = b;
SELECT count(*) FROM t a, t b WHERE ARRAY[a.n] < ARRAY[b.n];
RESET ROLE;

-- the expressions of PL/pgSQL live as long as the transaction; the role may change in it
CREATE FUNCTION less(a encrypted_text, b encrypted_text, c encrypted_bigint, d encrypted_bigint) RETURNS boolean LANGUAGE plpgsql AS
    $$ BEGIN RETURN a < b AND c < d; END $$;
BEGIN;
SELECT less(a.r, b.r, a.big, b.big) FROM t a, t b WHERE a.id < b.id;
SET LOCAL ROLE regress_kept;
SELECT less(a.r, b.r, a.big, b.big) FROM t a, t b WHERE a.id < b.id;
ROLLBACK;

-- also within one statement
CREATE FUNCTION twice() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    x t%ROWTYPE;
    y t%ROWTYPE;
    result boolean;
BEGIN
    SELECT * INTO x FROM t WHERE id = 1;
    SELECT * INTO y FROM t WHERE id = 2;
    FOR i IN 1..2 LOOP
        result := x.r < y.r;
        SET LOCAL ROLE regress_kept;
    END LOOP;
    RETURN result;
END $$;
SELECT twice();
RESET keyring.require_reader;

-- a cursor compares on after other statements
BEGIN;
DECLARE c CURSOR FOR SELECT a.id, b.id FROM t a JOIN t b ON a.r < b.r OR a.n = b.n ORDER BY a.id, b.id;
FETCH 1 FROM c;
SELECT count(*) FROM t a, t b WHERE a = b;
FETCH 5 FROM c;
COMMIT;
SET enable_hashjoin = off;
SET enable_nestloop = off;
BEGIN;
DECLARE c CURSOR FOR SELECT a.id = b.id FROM t a JOIN t b ON a.r = b.r;
FETCH 1 FROM c;
SELECT count(*) FROM t a, t b WHERE a = b;
FETCH 5 FROM c;
COMMIT;

-- an operand that was typed is handed out for as long as the cursor runs
RESET enable_nestloop;
CREATE TABLE s (id integer, v encrypted_text(searchable));
INSERT INTO s SELECT i, 'v' || i % 3 FROM generate_series(1, 9) i;
CREATE INDEX ON s (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
BEGIN;
DECLARE c CURSOR FOR SELECT s.id FROM s WHERE v = 'v1' OR v = 'v2' ORDER BY v = 'v1', id;
FETCH 2 FROM c;
SELECT count(*) FROM s WHERE v = 'v0';
FETCH 10 FROM c;
DECLARE d CURSOR FOR SELECT s.id FROM s WHERE v = 'v1';
FETCH 1 FROM d;
SELECT count(*) FROM s WHERE v = 'v0';
FETCH 10 FROM d;
COMMIT;

RESET ROLE;
DROP SCHEMA type_kept CASCADE;
DROP ROLE regress_kept;
DROP EXTENSION keyring;
