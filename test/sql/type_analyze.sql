-- Statistics: null fraction, width, distinct values of searchable columns; nothing else.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA type_analyze;
SET search_path = type_analyze, public;
CREATE TABLE t (id integer, few encrypted_text(searchable), uniq encrypted_text(searchable), many encrypted_text(searchable), rand encrypted_text(randomized),
    bytes encrypted_bytea(searchable), nothing encrypted_text(searchable), forced encrypted_text(searchable));
ALTER TABLE t ALTER forced SET (n_distinct = -0.25);
INSERT INTO t SELECT i, CASE WHEN i % 4 > 0 THEN 'f' || i % 5 END, 'u' || i, 'm' || i % 1500, 'r' || i % 5, int4send(i % 20), NULL, 'x'
FROM generate_series(1, 3000) i;
ANALYZE t;

SELECT attname, null_frac, avg_width > 50 AS wide, n_distinct, num_nulls(most_common_vals, most_common_freqs, histogram_bounds, correlation) AS nulls
FROM pg_stats WHERE tablename = 't' AND schemaname = 'type_analyze' AND attname <> 'id' ORDER BY 1;
SELECT DISTINCT stakind1, stakind2, stakind3, stakind4, stakind5, stavalues1 IS NULL AS no_values, stanumbers1 IS NULL AS no_numbers
FROM pg_statistic JOIN pg_attribute a ON attrelid = starelid AND attnum = staattnum WHERE starelid = 't'::regclass AND attname <> 'id';

-- what the planner makes of it
CREATE FUNCTION estimate(condition text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    EXECUTE 'EXPLAIN SELECT FROM t WHERE ' || condition INTO line;
    RETURN substring(line FROM 'rows=(\d+)')::integer;
END $$;
SELECT estimate('few = ''f1'''), estimate('few <> ''f1'''), estimate('uniq = ''u1'''), estimate('many = ''m1'''), estimate('forced = ''x'''), estimate('few IN (''f1'', ''f2'')'),
    estimate('few IS NULL'), estimate('rand = ''r1'''), estimate('few < ''f1''') > 0 AS by_order;

-- an empty table, and a table of long values
TRUNCATE t;
ANALYZE t;
INSERT INTO t (id, few, rand) SELECT i, repeat(md5((i % 3)::text), 200), repeat(md5(i::text), 200) FROM generate_series(1, 30) i;
ANALYZE t;
SELECT attname, null_frac, n_distinct FROM pg_stats WHERE tablename = 't' AND attname IN ('few', 'rand') ORDER BY 1;

-- damaged values are left out: a column of other bytes is given the type behind the extension's back
CREATE CAST (encrypted_text AS bytea) WITHOUT FUNCTION;
CREATE TABLE damaged (v bytea, plain integer);
INSERT INTO damaged SELECT ('v' || i % 4)::encrypted_text(searchable)::bytea, i FROM generate_series(1, 100) i;
INSERT INTO damaged VALUES ('', 1), ('\xff', 2), (repeat('z', 60)::bytea, 3), (NULL, 4);
UPDATE damaged SET v = set_byte(v, 1, 9) WHERE plain IN (97, 98);
UPDATE pg_attribute SET atttypid = 'encrypted_text'::regtype, atttypmod = 1, attcollation = (SELECT typcollation FROM pg_type WHERE oid = 'encrypted_text'::regtype)
WHERE attrelid = 'damaged'::regclass AND attname = 'v';
SELECT v FROM damaged WHERE plain = 97;
ANALYZE damaged;
SELECT attname, round(null_frac::numeric, 3) AS null_frac, n_distinct FROM pg_stats WHERE tablename = 'damaged' AND attname IN ('v', 'plain') ORDER BY 1;
VACUUM (ANALYZE) damaged;
DROP TABLE damaged;
DROP CAST (encrypted_text AS bytea);

DROP SCHEMA type_analyze CASCADE;
DROP EXTENSION keyring;
