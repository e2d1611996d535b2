-- Input, output, receive, send; both formats.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
\set SHOW_CONTEXT never
CREATE SCHEMA type_io;
SET search_path = type_io, public;
CREATE FUNCTION envelope(text) RETURNS text LANGUAGE sql AS 'SELECT left($1, 8)';

-- type modifiers
CREATE TABLE t (id integer, r encrypted_text(randomized), s encrypted_text(searchable), b encrypted_bytea("SEARCHABLE"));
SELECT attname, format_type(atttypid, atttypmod), attstorage, attcollation = 'default'::regcollation AS collatable
FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 1 ORDER BY attnum;
SELECT typname, typcategory, typispreferred, typlen, typalign, typstorage FROM pg_type
WHERE typname IN ('encrypted_text', 'encrypted_bytea') ORDER BY 1;
CREATE TABLE wrong (v encrypted_text(shiny));
CREATE TABLE wrong (v encrypted_text(randomized, searchable));
CREATE TABLE wrong (v encrypted_text(1));

-- plaintext form: also empty, NULL, and what looks like an envelope
INSERT INTO t VALUES (1, 'Ünï ☃', 'Ünï ☃', '\x00ff'), (2, '', '', ''), (3, NULL, NULL, NULL),
    (4, 'keyring:/wEA', 'a"b,c\d', 'a\\b'), (5, E'tab\there\nnew', '\N', '\x09');
SELECT * FROM t ORDER BY id;
SELECT id, (i).searchable, (i).compressed, (i).plaintext_bytes FROM t, keyring_inspect(s) i ORDER BY id;
SELECT id, (i).searchable, (i).plaintext_bytes FROM t, keyring_inspect(r) i ORDER BY id;
SELECT keyring_text_send(s) = textsend(s::text) AS text, keyring_bytea_send(b) = byteasend(b::bytea) AS bytea
FROM t WHERE id IN (1, 2);
INSERT INTO t (b) VALUES ('\xzz');

-- COPY out and in, in each format, gives equal values in other envelopes
\set dir `mktemp -d /tmp/keyring_type_io.XXXXXX`
\set file :dir/copied
CREATE TABLE u (LIKE t);
CREATE FUNCTION compare() RETURNS TABLE (loaded bigint, equal bigint, fresh bigint) LANGUAGE sql AS $$
    SELECT count(*), count(*) FILTER (WHERE (t.r, t.s, t.b) IS NOT DISTINCT FROM (u.r, u.s, u.b)),
        count(*) FILTER (WHERE t.r *<> u.r AND t.s *<> u.s AND t.b *<> u.b)
    FROM (SELECT id, ROW(r) AS r, ROW(s) AS s, ROW(b) AS b FROM t) t
    JOIN (SELECT id, ROW(r) AS r, ROW(s) AS s, ROW(b) AS b FROM u) u USING (id) $$;
COPY t TO :'file';
COPY u FROM :'file';
SELECT * FROM compare();
TRUNCATE u;
COPY t TO :'file' WITH (FORMAT csv, FORCE_QUOTE *);
COPY u FROM :'file' WITH (FORMAT csv);
SELECT * FROM compare();
TRUNCATE u;
COPY t TO :'file' WITH (FORMAT binary);
COPY u FROM :'file' WITH (FORMAT binary);
SELECT * FROM compare();

-- ciphertext: the same envelopes come back, in text and binary
SET keyring.output_format = ciphertext;
SELECT id, envelope(format('%s', r)), envelope(format('%s', s)), envelope(format('%s', b)) FROM t ORDER BY id;
COPY t TO :'file';
SET keyring.input_format = ciphertext;
TRUNCATE u;
COPY u FROM :'file';
RESET keyring.output_format;
SELECT * FROM compare();
SET keyring.output_format = ciphertext;
COPY t TO :'file' WITH (FORMAT binary);
TRUNCATE u;
COPY u FROM :'file' WITH (FORMAT binary);
RESET keyring.output_format;
SELECT * FROM compare();
\setenv DIR :dir
\! rm -r "$DIR"

-- ciphertext input takes nothing else
INSERT INTO u (r) VALUES ('plain');
INSERT INTO u (r) VALUES ('keyring:');
INSERT INTO u (r) VALUES ('keyring:!');
INSERT INTO u (r) VALUES ('keyring:/wEA');
SET keyring.output_format = ciphertext;
SELECT format('%s', r) AS randomized, format('%s', s) AS searchable, format('%s', b) AS bytea FROM t WHERE id = 1 \gset
RESET keyring.output_format;
TRUNCATE u;
INSERT INTO u (id, r) VALUES (1, :'randomized');
INSERT INTO u (id, s) VALUES (2, :'searchable');
\set VERBOSITY terse
INSERT INTO u (r) VALUES (:'bytea');            -- of another base type
SELECT left(:'randomized', -16) || reverse(left(right(:'randomized', 16), 8)) || right(:'randomized', 8) AS changed \gset
INSERT INTO u (r) VALUES (:'changed');          -- in the authentication tag
SELECT id, r, s FROM u ORDER BY id;
RESET keyring.input_format;

-- and plaintext input never takes it for one
INSERT INTO u (id, r) VALUES (3, :'randomized');
SELECT r::text = :'randomized' AS sealed_as_text FROM u WHERE id = 3;
\set VERBOSITY default

-- ciphertext output needs a capability
CREATE ROLE regress_type_io;
GRANT USAGE ON SCHEMA type_io TO regress_type_io;
GRANT SELECT ON t TO regress_type_io;
SET ROLE regress_type_io;
SET keyring.output_format = ciphertext;
SELECT r FROM t WHERE id = 1;
SELECT keyring_text_send(r) FROM t WHERE id = 1;
RESET ROLE;
SELECT keyring_grant('regress_type_io', 'backup');
SET ROLE regress_type_io;
SELECT envelope(format('%s', r)), substr(keyring_text_send(r), 1, 2) FROM t WHERE id = 1;
RESET ROLE;
RESET keyring.output_format;
SELECT keyring_revoke('regress_type_io', 'backup');

-- invalid and foreign encodings are found before anything is sealed
INSERT INTO t (r) SELECT convert_from('\xff', 'UTF8');
SET client_encoding = latin1;
SELECT keyring_text_send(s) AS latin1 FROM t WHERE id = 1;
SELECT keyring_text_send(left(s, 3)::encrypted_text) AS latin1 FROM t WHERE id = 1;
RESET client_encoding;

-- long values: out of line, compressed when that helps, opened whole
INSERT INTO t VALUES (6, repeat('long ', 200000), repeat('long ', 200000), decode(repeat('00ff', 500000), 'hex'));
SELECT string_agg(md5(i::text), '') AS noise FROM generate_series(1, 32768) i \gset
SET keyring.compress_over = 0;
INSERT INTO t VALUES (7, :'noise', :'noise', repeat('x', 3000)::bytea);
RESET keyring.compress_over;
SELECT id, length(r), length(b), md5(r) = md5(s) AS same, (keyring_inspect(r)).compressed, (keyring_inspect(b)).compressed,
    pg_column_size(r) > 100000 AS large FROM t WHERE id > 5 ORDER BY id;
SELECT id FROM t WHERE s = repeat('long ', 200000);
SELECT id FROM t WHERE s = :'noise'::text;
SELECT count(*) FROM t a JOIN t b ON a.r = b.s WHERE a.id > 5;
DELETE FROM t WHERE id > 5;
SELECT count(*) FROM t;

DROP SCHEMA type_io CASCADE;
DROP OWNED BY regress_type_io;
DROP ROLE regress_type_io;
DROP EXTENSION keyring;
