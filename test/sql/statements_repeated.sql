-- Expressions that a query repeats, with literals in them, are recognized as on plain columns.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA statements_repeated;
SET search_path = statements_repeated, public;
CREATE TABLE kinds (base text, type regtype, literal text);
INSERT INTO kinds VALUES ('text', 'encrypted_text', 'none'), ('bytea', 'encrypted_bytea', '\x00ff'), ('boolean', 'encrypted_boolean', 'yes'),
    ('smallint', 'encrypted_smallint', '7'), ('integer', 'encrypted_integer', '7'), ('bigint', 'encrypted_bigint', '7'),
    ('real', 'encrypted_real', '1.5'), ('double precision', 'encrypted_double', '1.5'), ('numeric', 'encrypted_numeric', '1.50'),
    ('date', 'encrypted_date', '2020-01-02'), ('time', 'encrypted_time', '10:11:12'), ('timestamp', 'encrypted_timestamp', '2020-01-02 03:04'),
    ('timestamptz', 'encrypted_timestamptz', '2020-01-02 03:04+00'), ('interval', 'encrypted_interval', '1 day'),
    ('uuid', 'encrypted_uuid', '00112233-4455-6677-8899-aabbccddeeff'), ('inet', 'encrypted_inet', '10.0.0.1/8'), ('jsonb', 'encrypted_jsonb', '{"a": 1}');

-- the same queries over each type, plain and encrypted; what differs or fails is shown
CREATE FUNCTION answer(type text, query text, literal text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
    EXECUTE format('CREATE TEMP TABLE subject (id integer, v %s)', type);
    EXECUTE format('INSERT INTO subject VALUES (1, %1$L), (2, NULL), (3, %1$L)', literal);
    BEGIN
        EXECUTE format('SELECT array_agg(q)::text FROM (' || replace(query, ':l', quote_literal(literal)) || ') q') INTO result;
    EXCEPTION WHEN OTHERS THEN
        result := SQLSTATE || ' ' || SQLERRM;
    END;
    DROP TABLE subject;
    RETURN result;
END $$;
CREATE TABLE queries (query text);
INSERT INTO queries VALUES ('SELECT coalesce(v, :l) AS c, count(*) FROM subject GROUP BY coalesce(v, :l)'),
    ('SELECT DISTINCT coalesce(v, :l) AS c FROM subject ORDER BY coalesce(v, :l)'),
    ('SELECT DISTINCT CASE WHEN v = :l THEN 1 ELSE 2 END AS c FROM subject ORDER BY CASE WHEN v = :l THEN 1 ELSE 2 END'),
    ('SELECT DISTINCT ON (v IN (:l)) v IN (:l) AS c FROM subject ORDER BY v IN (:l), id'),
    ('SELECT v = ANY (ARRAY[v, :l]) AS a FROM subject GROUP BY v = ANY (ARRAY[v, :l]) HAVING count(v = ANY (ARRAY[v, :l])) >= 0'),
    ('SELECT array_agg(DISTINCT coalesce(v, :l) ORDER BY coalesce(v, :l)) AS c FROM subject'),
    ('SELECT id, rank() OVER (PARTITION BY nullif(v, :l) IS NULL ORDER BY id) AS r FROM subject');
SELECT base, query, answer(base, query, literal) AS plain, answer(type::text, query, literal) AS encrypted
FROM kinds, queries WHERE answer(base, query, literal) <> answer(type::text, query, literal) ORDER BY query, base;
SELECT count(*) AS asked, count(*) FILTER (WHERE answer(base, query, literal) ~ '^\d{5} ') AS failed FROM kinds, queries;

-- a longer list, views, prepared statements, functions
CREATE TABLE t (id integer, v encrypted_text(searchable), r encrypted_text);
INSERT INTO t VALUES (1, 'a', 'a'), (2, NULL, 'b'), (3, 'none', NULL);
DO $$
DECLARE list text;
BEGIN
    SELECT string_agg(quote_literal('w' || i), ', ') INTO list FROM generate_series(1, 2000) i;
    EXECUTE format('SELECT DISTINCT coalesce(v, ''x'') IN (%1$s) FROM t ORDER BY coalesce(v, ''x'') IN (%1$s)', list);
END $$;
CREATE VIEW counted AS SELECT coalesce(v, 'none') AS c, count(*) AS n FROM t GROUP BY coalesce(v, 'none');
SELECT * FROM counted ORDER BY 2;
PREPARE p AS SELECT coalesce(r, 'none') AS c, count(*) FROM t GROUP BY coalesce(r, 'none') ORDER BY coalesce(r, 'none');
EXECUTE p;
CREATE FUNCTION f() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM (SELECT coalesce(r, 'z') FROM t GROUP BY coalesce(r, 'z')) x $$;
SELECT f(), f();
SELECT DISTINCT v = ANY ('{a,none}') AS listed FROM t ORDER BY v = ANY ('{a,none}');
CREATE DOMAIN word AS encrypted_text;
SELECT r = 'b'::word AS b, count(*) FROM t GROUP BY r = 'b'::word ORDER BY r = 'b'::word;
SELECT upper(coalesce(v, 'none')) AS u FROM t GROUP BY GROUPING SETS ((coalesce(v, 'none')), ()) HAVING coalesce(v, 'none') <> 'x' ORDER BY upper(coalesce(v, 'none'));
SELECT coalesce(v, 'none') FROM t GROUP BY coalesce(v, 'other');
SELECT coalesce(r, 'none') FROM t GROUP BY coalesce(r, 'none'), r ORDER BY 1;

-- what is stored is sealed for its place, each time
CREATE TABLE stored (v encrypted_text(searchable), r encrypted_text);
CREATE PROCEDURE put(a encrypted_text, b encrypted_text) LANGUAGE sql AS $$ INSERT INTO stored VALUES (a, b), (b, a) $$;
INSERT INTO stored VALUES ('x', 'x'), ('x', 'x');
INSERT INTO stored SELECT 'x', 'x';
INSERT INTO stored SELECT max(v), max(r) FROM (SELECT 'x'::encrypted_text AS v, 'x'::encrypted_text AS r) s HAVING count(*) = 1;
INSERT INTO stored SELECT 'x'::encrypted_text, 'x'::encrypted_text GROUP BY 'x'::encrypted_text;
UPDATE stored SET v = 'y', r = 'y' WHERE v = 'x' AND r = 'x';
PREPARE i (encrypted_text, encrypted_text) AS INSERT INTO stored VALUES ($1, 'x'), ($2, 'x');
EXECUTE i('x', 'x');
EXECUTE i('x', 'x');
SET keyring.output_format = ciphertext;
SELECT count(*) AS values, count(DISTINCT v::bytea) AS different FROM (SELECT keyring_text_send(v) AS v FROM stored UNION ALL SELECT keyring_text_send(r) FROM stored) s;
TRUNCATE stored;
CALL put('x', 'x');
SELECT keyring_text_send(a.v) = keyring_text_send(b.v) AS same FROM stored a, stored b WHERE a.ctid < b.ctid;
RESET keyring.output_format;

DROP SCHEMA statements_repeated CASCADE;
DROP EXTENSION keyring;
