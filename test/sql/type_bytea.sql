-- encrypted_bytea in ordinary SQL.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_min_messages = warning;
CREATE SCHEMA type_bytea;
SET search_path = type_bytea, public;
CREATE TABLE t (id integer, p bytea, r encrypted_bytea(randomized), s encrypted_bytea(searchable));
INSERT INTO t SELECT i, v, v, v FROM unnest(ARRAY['\x00', '\x', '\xff00', '\x0000', NULL, '\x00', 'text']::bytea[]) WITH ORDINALITY AS x (v, i);

SELECT id, length(r), r || '\x01' AS append, encode(r, 'hex'), substring(s, 1, 1) AS first, md5(r) = md5(p) AS md5, sha256(s) = sha256(p) AS sha256
FROM t ORDER BY id;
SELECT id FROM t WHERE r = '\x00' ORDER BY id;
SELECT id FROM t WHERE s = '\x00' ORDER BY id;
SELECT id FROM t WHERE s = '\x00'::bytea AND r = p AND p = s ORDER BY id;
SELECT id FROM t WHERE s IN ('\x', 'text') ORDER BY id;
SELECT id FROM t WHERE s = ANY (ARRAY['\x', 'text']::bytea[]) ORDER BY id;
SELECT id FROM t WHERE r LIKE 't%'::bytea ORDER BY id;
SELECT id FROM t WHERE r > '\x00' AND s <= '\x74ff'::bytea ORDER BY id;
SELECT r, count(*) FROM t GROUP BY r ORDER BY r;
SELECT DISTINCT s FROM t ORDER BY s DESC NULLS LAST;
SELECT count(DISTINCT r), count(DISTINCT s), string_agg(r, '' ORDER BY r) FROM t;
SELECT coalesce(r, '\xdead'), coalesce(s, p), CASE WHEN id = 1 THEN r ELSE p END FROM t WHERE id IN (1, 5) ORDER BY id;
SELECT r FROM t UNION SELECT p FROM t ORDER BY 1;
SELECT greatest(r, '\x01'), least(s, p) FROM t ORDER BY id;
SELECT get_byte(r, 0), set_byte(s, 0, 65), position('\x00'::bytea IN r) FROM t WHERE id = 3;
SELECT count(*) FROM t a JOIN t b ON a.r = b.s;
SELECT convert_from(r, 'UTF8') FROM t WHERE id = 7;

-- equal bytes of two base types have different tokens and do not mix
CREATE TABLE u (v encrypted_text(searchable));
INSERT INTO u VALUES ('text');
SELECT count(*) FROM t JOIN u ON t.s = u.v;

DROP SCHEMA type_bytea CASCADE;
DROP EXTENSION keyring;
