-- Text is sealed in UTF-8 whatever the server encoding: an envelope means the same in every database.
-- The databases are copies of one template, so they share its key.
\set SHOW_CONTEXT never
\set home :DBNAME
SET client_min_messages = error;
CREATE DATABASE regress_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C';
\c regress_latin1
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_activate(keyring_create_key());
SET client_encoding = 'UTF8';
CREATE TABLE t (id integer, p text, r encrypted_text(randomized), s encrypted_text(searchable));
INSERT INTO t VALUES (1, 'Zoë', 'Zoë', 'Zoë'), (2, 'Ünï', 'Ünï', 'Ünï'), (3, 'ascii', 'ascii', 'ascii'), (4, '', '', '');
SELECT *, octet_length(r), (keyring_inspect(r)).plaintext_bytes FROM t ORDER BY id;
SELECT id FROM t WHERE s = 'Zoë' AND r = 'Zoë' AND p = s AND r = s AND s LIKE 'Zo_';
SELECT r FROM t ORDER BY r;
SELECT upper(r), r || 'é' FROM t WHERE id = 2;
SELECT keyring_text_send(r) = textsend(p) AS same FROM t;
INSERT INTO t (r) VALUES ('☃');
SET keyring.output_format = ciphertext;
SELECT format('%s', s) AS zoe FROM t WHERE id = 1 \gset
RESET keyring.output_format;

-- the token key is a copy here, so equal values have equal tokens in both databases
\c :home
CREATE DATABASE regress_ascii TEMPLATE regress_latin1 ENCODING 'LATIN1';
\c regress_ascii
UPDATE pg_database SET encoding = pg_char_to_encoding('SQL_ASCII') WHERE datname = 'regress_ascii';
\c regress_ascii
SHOW server_encoding;
SET client_encoding = 'UTF8';
SELECT id, octet_length(r), r FROM t ORDER BY id;
SELECT id FROM t WHERE s = 'Zoë';
INSERT INTO t VALUES (5, '☃', '☃', '☃');
SELECT id, octet_length(r) FROM t WHERE s = '☃';
INSERT INTO t (r) VALUES (E'\xff');
INSERT INTO t (s) VALUES (E'Zo\xeb');
SET keyring.input_format = ciphertext;
INSERT INTO t (id, s) VALUES (6, :'zoe');
RESET keyring.input_format;
SELECT count(*) FROM t WHERE s = 'Zoë';

\c :home
DROP DATABASE regress_ascii;
DROP DATABASE regress_latin1;
