-- Literals of an encrypted type become base-typed again: what is stored or planned holds no envelope.
\set start :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_constants;
\c regress_constants
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
RESET client_min_messages;

CREATE TABLE t (id integer PRIMARY KEY, v encrypted_text(searchable), r encrypted_text, b encrypted_bytea(searchable), plain text);
INSERT INTO t SELECT i, 'v' || i % 5, 'r' || i, '\xff', 'v' || i FROM generate_series(1, 20) AS i;

-- every place where a literal can stand; the same query over the plain column must give the same rows
CREATE VIEW forms AS SELECT id, v, 'x'::encrypted_text AS literal, v = 'v1' AS eq, 'v1' <> v AS ne, r = 'r1' AS eq_r,
    v < 'v2' AS lt, r >= 'r2' AS ge, v IN ('v1', 'v2') AS one_of, r NOT IN ('r1', 'r2') AS none_of, v = ANY ('{v3,NULL}') AS any_of,
    r = ALL ('{r1}') AS all_of, v IN ('v1', r) AS among, v BETWEEN 'v1' AND 'v3' AS between_,
    CASE v WHEN 'v1' THEN 'one' WHEN 'v2' THEN 'two' END AS case_v, CASE r WHEN 'r1' THEN 'one' END AS case_r,
    NULLIF(v, 'v1') AS nullif_v, NULLIF('v1', v) AS nullif_literal, COALESCE(v, 'none') AS coalesce_v,
    GREATEST(v, 'v2') AS greatest_v, LEAST('r2', r) AS least_r,
    v IS DISTINCT FROM 'v1' AS differs, (v, id) < ('v2', 5) AS row_lt, (v, id) = ('v2', 2) AS row_eq,
    v IN (VALUES ('v1'), ('v4')) AS in_values, 'v1' IN (SELECT v FROM t) AS in_query, b = '\xff' AS bytes,
    'a'::encrypted_text = 'a' AS both_literals, ARRAY[v, 'z'] AS array_v, v LIKE 'v1%' AS like_v, v || 'x' AS concat_v
FROM t, (VALUES (1)) AS other (one);
SELECT pg_get_viewdef('forms');
SELECT count(*) > 0 AS looked, count(*) FILTER (WHERE ev_action LIKE '%{CONST :consttype ' || type::oid || ' %constisnull false%') AS envelopes
FROM pg_rewrite, unnest('{encrypted_text,encrypted_bytea,encrypted_text[]}'::regtype[]) AS type
WHERE ev_class = 'forms'::regclass;
SELECT id, literal, eq, ne, eq_r, lt, ge, one_of, none_of, any_of, all_of, among FROM forms WHERE id < 4 ORDER BY id;
SELECT id, between_, case_v, case_r, nullif_v, nullif_literal, coalesce_v, greatest_v, least_r, differs, row_lt, row_eq FROM forms WHERE id < 4 ORDER BY id;
SELECT id, in_values, in_query, bytes, both_literals, array_v, like_v, concat_v FROM forms WHERE id < 4 ORDER BY id;

-- its definition means the same when it is read again
SELECT format('CREATE VIEW again AS %s', pg_get_viewdef('forms')) \gexec
SELECT count(*) FROM (TABLE forms EXCEPT TABLE again) AS difference;

-- the definition stays valid under another key, and after the old one is gone
SELECT keyring_activate(keyring_create_key());
UPDATE t SET v = v, r = r, b = b;
SELECT keyring_destroy_key(1);
SELECT count(*) FROM forms WHERE eq;

-- NULL is no envelope
SELECT count(*) FROM t WHERE v IS NOT DISTINCT FROM NULL OR v = NULL OR v IN (NULL, 'v1');

-- statements that hold another one
EXPLAIN (COSTS OFF) SELECT id FROM t WHERE r = 'r1' AND v < 'x';
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM t WHERE v = 'v1' AND r = 'r1';
FETCH ALL FROM c;
COMMIT;
CREATE TABLE copied AS SELECT id, v FROM t WHERE v = 'v1' ORDER BY id;
CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t WHERE v IN ('v1', 'v2') AND r <> 'r1' WITH NO DATA;
SELECT pg_get_viewdef('m') ~ $$v = ANY \(ARRAY\['v1'::text, 'v2'::text\]\)\) AND \((t\.)?r <> 'r1'::text$$ AS definition;
REFRESH MATERIALIZED VIEW m;
COPY (SELECT id FROM t WHERE v = 'v1' ORDER BY id LIMIT 2) TO STDOUT;

-- rules and policies that name a base-typed constant
CREATE TABLE log (id integer, v encrypted_text(searchable));
CREATE RULE logged AS ON UPDATE TO t WHERE NEW.v = 'watched'::text DO ALSO INSERT INTO log VALUES (NEW.id, NEW.v);
UPDATE t SET v = 'watched' WHERE id = 3;
UPDATE t SET v = 'ignored' WHERE id = 4;
SELECT * FROM log;

-- an armored literal is no plaintext: it stays what it is, and goes where it is told to
SET keyring.output_format = ciphertext;
SELECT format('%s', v) AS armored FROM t WHERE id = 5 \gset
RESET keyring.output_format;
SET keyring.input_format = ciphertext;
SELECT id FROM t WHERE v = :'armored' AND id < 11 ORDER BY id;
INSERT INTO log VALUES (5, :'armored');
CREATE VIEW sealed AS SELECT id FROM t WHERE v = :'armored';
RESET keyring.input_format;
SELECT * FROM log WHERE id = 5;
SELECT v::text = 'v0' AS opens, keyring_inspect(v) = (SELECT keyring_inspect(v) FROM t WHERE id = 5) AS same FROM log WHERE id = 5;
SELECT keyring_activate(keyring_create_key());
PREPARE keeps AS INSERT INTO log VALUES (6, 'plain'), (7, 'plain');
SET keyring.input_format = ciphertext;
INSERT INTO log VALUES (8, :'armored'), (9, :'armored');
UPDATE log SET v = :'armored' WHERE id = 3;
INSERT INTO log SELECT 10, v FROM log WHERE id = 8;
INSERT INTO t (id, r) VALUES (100, :'armored');
RESET keyring.input_format;
EXECUTE keeps;
SELECT id, v, (keyring_inspect(v)).key_id FROM log ORDER BY id;

-- a type without equality has no tokens: its constants and parameters are just sealed
CREATE TABLE documents (id integer, j encrypted_json);
INSERT INTO documents VALUES (1, '{"a": 1}'), (2, NULL);
SELECT id, COALESCE(j, '{}') AS c, CASE WHEN id < 2 THEN j ELSE '[]' END AS d, ARRAY[j, '"x"'] AS a FROM documents ORDER BY id;
SELECT j FROM documents WHERE id = 1 UNION ALL SELECT '{}';
SELECT array_agg(j ORDER BY id) || '{5,"null"}' AS a FROM documents;
PREPARE documents AS SELECT COALESCE(j, $1), ARRAY[j, $1], array_agg(j) OVER () || $2 FROM documents WHERE id = 2;
EXECUTE documents('{"p": 1}', '{7}');
PREPARE documented AS INSERT INTO documents SELECT id + 10, $1 FROM documents RETURNING *;
EXECUTE documented('{"q": 2}');
UPDATE documents SET j = COALESCE(j, '{}') WHERE id = 2 RETURNING *;
CREATE VIEW of_documents AS SELECT id, COALESCE(j, '{}') AS c FROM documents;
TABLE of_documents ORDER BY id;
SELECT count(*), count(DISTINCT (keyring_inspect(j)).key_id) FROM documents;

\c :start
DROP DATABASE regress_constants WITH (FORCE);
