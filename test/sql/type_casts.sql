-- Casts and type modifiers: what is sealed anew, what passes through.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE SCHEMA type_casts;
SET search_path = type_casts, public;

SELECT format('%s -> %s', castsource::regtype, casttarget::regtype) AS cast, castcontext, castfunc::regprocedure, provolatile
FROM pg_cast JOIN pg_proc p ON p.oid = castfunc
WHERE 'encrypted_text'::regtype IN (castsource, casttarget) OR 'encrypted_bytea'::regtype IN (castsource, casttarget)
ORDER BY 1;

CREATE TABLE t (id integer, r encrypted_text(randomized), s encrypted_text(searchable));
INSERT INTO t VALUES (1, 'one', 'one'), (2, 'two', 'two');

-- the token follows the column, whatever the source
INSERT INTO t SELECT id + 10, s, r FROM t WHERE id < 10;
INSERT INTO t SELECT id + 20, 'x', 'x' FROM t WHERE id < 10;
INSERT INTO t SELECT id + 30, 'x'::varchar, 'x'::char(3) FROM t WHERE id < 10;
INSERT INTO t SELECT id + 40, 'x'::name, 42 FROM t WHERE id < 10;
SELECT id, r, s, length(s), (keyring_inspect(r)).searchable, (keyring_inspect(s)).searchable FROM t ORDER BY id;

-- one literal for many rows: an envelope for each
UPDATE t SET r = 'same', s = 'same' WHERE id > 20;
SET keyring.output_format = ciphertext;
SELECT count(*), count(DISTINCT format('%s', r)) AS r, count(DISTINCT format('%s', s)) AS s FROM t WHERE id > 20;

-- an envelope that fits passes through; one that does not is sealed again
SELECT count(*) FILTER (WHERE format('%s', r) = format('%s', r::encrypted_text(randomized))) AS r_passes,
    count(*) FILTER (WHERE format('%s', r) = format('%s', r::encrypted_text(searchable))) AS r_as_s_passes,
    count(*) FILTER (WHERE format('%s', s) = format('%s', s::encrypted_text(searchable))) AS s_passes,
    count(*) FILTER (WHERE format('%s', s) = format('%s', s::encrypted_text(randomized))) AS s_as_r_passes,
    count(*) FROM t;
SELECT keyring_activate(keyring_create_key());
SELECT count(*) FILTER (WHERE format('%s', keyring_text_coerce(r, 0, false)) = format('%s', r)) AS old_key_passes FROM t;
RESET keyring.output_format;
SELECT DISTINCT (keyring_inspect(keyring_text_coerce(r, -1, false))).key_id, (keyring_inspect(r)).key_id,
    (keyring_inspect(keyring_text_coerce(r, -1, false))).searchable FROM t;
SELECT bool_and(keyring_text_coerce(s, 1, false) = s) AS same_value FROM t;

-- explicit casts of literals
SELECT 'x'::encrypted_text(randomized) = 'x' AS eq, (keyring_inspect('x'::text::encrypted_text(randomized))).searchable AS r,
    (keyring_inspect('x'::text::encrypted_text(searchable))).searchable AS s, (keyring_inspect('x'::text::encrypted_text)).searchable AS none;
SELECT pg_typeof(r), pg_typeof(r::text), pg_typeof(r::varchar(2)), r::varchar(2), r::char(5), r::name, 'x' || r::char(5) || 'x' FROM t WHERE id = 1;
SELECT '7'::encrypted_text::integer + 1 AS eight, 7::encrypted_text AS seven;
SELECT r::integer FROM t WHERE id = 1;
SELECT r::bytea FROM t WHERE id = 1;
SELECT r::encrypted_bytea FROM t WHERE id = 1;

-- PL/pgSQL: variables, row types, arrays
DO $$
DECLARE
    row_of_t t%ROWTYPE;
    plain text;
    sealed encrypted_text;
    list encrypted_text[];
BEGIN
    SELECT * INTO row_of_t FROM t WHERE id = 1;
    plain := row_of_t.r;
    sealed := plain || '!';
    list := array_append(ARRAY[sealed], row_of_t.s);
    row_of_t.r := 'new ' || sealed;
    row_of_t.id := 100;
    INSERT INTO t VALUES (row_of_t.*);
    RAISE WARNING '% % % %', plain, sealed, list, list[2] = 'one';
END $$;
SELECT id, r, s, (keyring_inspect(r)).searchable, (keyring_inspect(s)).searchable FROM t WHERE id = 100;

DROP SCHEMA type_casts CASCADE;
DROP EXTENSION keyring;
