-- The tables of bench-clients and bench-instructions: the same values, plain and encrypted, and tables to write to.
-- Variable "rows": how many.
SET client_min_messages = error;
CREATE EXTENSION IF NOT EXISTS keyring;
SELECT keyring_activate(keyring_create_key()) WHERE NOT EXISTS (SELECT FROM keyring_keys WHERE state = 'primary');
DROP TABLE IF EXISTS plain, plain_log, encrypted, encrypted_log;
CREATE UNLOGGED TABLE plain (id integer PRIMARY KEY, v text);
CREATE UNLOGGED TABLE encrypted (id integer PRIMARY KEY, v encrypted_text(searchable));
INSERT INTO plain SELECT i, i::text FROM generate_series(1, :rows) i;
INSERT INTO encrypted SELECT i, i::text FROM generate_series(1, :rows) i;
CREATE INDEX ON plain (v);
CREATE INDEX ON encrypted (v);
CREATE UNLOGGED TABLE plain_log (v text);
CREATE UNLOGGED TABLE encrypted_log (v encrypted_text(searchable));
VACUUM ANALYZE plain;
VACUUM ANALYZE encrypted;
