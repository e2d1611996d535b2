-- varchar(n) and char(n): the length check, there and back.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
SELECT keyring_activate(1);
SET client_min_messages = warning;
CREATE SCHEMA convert_length;
SET search_path = convert_length, public;

CREATE TABLE t (v varchar(4), c char(4), free varchar, taken integer, CONSTRAINT t_v_length CHECK (taken > 0));
INSERT INTO t VALUES ('abcd', 'ab', 'anything', 1), (NULL, NULL, NULL, NULL), ('äöü€', '€€€€', '', 1);
SELECT keyring_encrypt_column('t', 'v', true);
SELECT keyring_encrypt_column('t', 'c', true);
SELECT keyring_encrypt_column('t', 'free');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1;
SELECT v::text, c::text, free::text FROM t ORDER BY v;

-- characters count, not bytes; blanks beyond the limit pass, as varchar cuts them off
INSERT INTO t (v) VALUES ('€€€€'), ('abcd   '), ('');
INSERT INTO t (v) VALUES ('€€€€€');
INSERT INTO t (v) VALUES ('abcde');
INSERT INTO t (v) VALUES ('abcd  e');
UPDATE t SET v = 'abcde' WHERE v = 'abcd';
SELECT count(*) FROM t WHERE c = 'ab';
SELECT keyring_fits('abc'::text::encrypted_text, 3) AS three, keyring_fits('abc'::text::encrypted_text, 2) AS two,
       keyring_fits('äö'::text::encrypted_text, 2) AS umlauts, keyring_fits(repeat('ä', 5000)::encrypted_text, 5000) AS compressed,
       keyring_fits(repeat('ä', 5001)::encrypted_text, 5000) AS longer, keyring_fits(NULL, 1) AS none,
       keyring_fits('a'::text::encrypted_text, -1) AS negative;

-- a writer need not be a reader
CREATE ROLE regress_convert_writer;
GRANT USAGE ON SCHEMA convert_length TO regress_convert_writer;
GRANT INSERT ON t TO regress_convert_writer;
SET keyring.require_reader = on;
SET ROLE regress_convert_writer;
INSERT INTO t (v) VALUES ('€€€');
INSERT INTO t (v) VALUES ('abcde');
RESET ROLE;
RESET keyring.require_reader;

-- back: the limit comes from the constraint, whatever it is called now, the tightest if there are more
ALTER TABLE t RENAME CONSTRAINT t_v_length1 TO renamed;
SELECT keyring_decrypt_column('t', 'v');
ALTER TABLE t ADD CHECK (keyring_fits(c, 9)), ADD CHECK (keyring_fits(c, 7));
SELECT keyring_decrypt_column('t', 'c');
SELECT keyring_decrypt_column('t', 'free');
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c' ORDER BY 1;
SELECT v, c, free FROM t WHERE v LIKE 'abcd%' ORDER BY v;

-- nothing is cut off that the check does not vouch for
CREATE TABLE unchecked (c text);
SELECT keyring_encrypt_column('unchecked', 'c');
INSERT INTO unchecked VALUES ('too long');
ALTER TABLE unchecked ADD CHECK (keyring_fits(c, 3)) NOT VALID;
SELECT keyring_decrypt_column('unchecked', 'c');
-- not one of ours: part of a condition, or a limit that no varchar has
CREATE TABLE other (c text, d text);
SELECT keyring_encrypt_column('other', c) FROM unnest('{c,d}'::name[]) c;
ALTER TABLE other ADD CONSTRAINT part CHECK (keyring_fits(c, 3) OR c IS NULL), ADD CONSTRAINT zero CHECK (keyring_fits(d, 0));
SELECT keyring_decrypt_column('other', 'c');
SELECT keyring_decrypt_column('other', 'd');

DROP SCHEMA convert_length CASCADE;
DROP ROLE regress_convert_writer;
DROP EXTENSION keyring;
