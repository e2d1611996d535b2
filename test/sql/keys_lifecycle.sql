-- States of keys: what leads where, what is refused, and what each step leaves behind.
SET client_min_messages = error;        -- the warning about a new root key names a random fingerprint
CREATE EXTENSION keyring;
RESET client_min_messages;
\set SHOW_CONTEXT never

-- nothing can be sealed before a key is active
CREATE TABLE patient (id integer, ssn encrypted_text(searchable));
INSERT INTO patient VALUES (1, '078-05-1120');

-- creating never changes the primary
SET client_min_messages = error;
SELECT keyring_create_key();
RESET client_min_messages;
SELECT keyring_create_key(label => 'second');
SELECT id, label, state, provider, resource, protection FROM keyring_keys;
INSERT INTO patient VALUES (1, '078-05-1120');

SELECT keyring_activate(1);
INSERT INTO patient VALUES (1, '078-05-1120');
SELECT keyring_create_key();
SELECT id, state FROM keyring_keys;
SELECT keyring_activate(1);             -- on the primary: checks only
SELECT step, ok, hint FROM keyring_check_key(1);

-- wrong transitions
SELECT keyring_destroy_key(1);
SELECT keyring_activate(2);
SELECT keyring_activate(1);
SELECT id, state, activated_at IS NOT NULL AS activated, deprecated_at IS NOT NULL AS deprecated FROM keyring_keys;

-- the count: a value still needs key 1
SELECT keyring_destroy_key(1);
UPDATE patient SET ssn = ssn;
SELECT ssn, (keyring_inspect(ssn)).key_id FROM patient;
SELECT keyring_destroy_key(1);
SELECT keyring_destroy_key(1);
SELECT keyring_activate(1);
SELECT keyring_rewrap_key(1);
SELECT id, state, destroyed_at IS NOT NULL AS destroyed FROM keyring_keys;
SELECT step, ok, detail FROM keyring_check_key(1);
SELECT wrapped IS NULL AS erased FROM keyring_key WHERE id = 1;

-- a staged key may be destroyed, too
SELECT keyring_destroy_key(3);

-- rewrapping changes the wrap, and nothing else
SELECT md5(wrapped) AS before FROM keyring_key WHERE id = 2 \gset
SELECT keyring_rewrap_key(2);
SELECT md5(wrapped) <> :'before' AS changed, rewrapped_at IS NOT NULL AS stamped FROM keyring_key WHERE id = 2;
SELECT ssn FROM patient;

-- by force: values are lost, and say so
SELECT keyring_create_key();
SELECT keyring_activate(4);
SELECT keyring_destroy_key(2, force => true);
SELECT ssn FROM patient;
SELECT count(*) FROM patient;

-- the table itself keeps to the life cycle, whoever writes it
UPDATE keyring_key SET state = 'primary' WHERE id = 3;
UPDATE keyring_key SET state = 'staged' WHERE id = 4;
UPDATE keyring_key SET uuid = '00000000-0000-0000-0000-000000000000' WHERE id = 4;
UPDATE keyring_key SET id = 9 WHERE id = 4;
UPDATE keyring_key SET state = NULL WHERE id = 4;
DELETE FROM keyring_key WHERE id = 4;
TRUNCATE keyring_key;
PREPARE restore AS INSERT INTO keyring_key (id, tag, uuid, provider, wrapped, check_value, token_key_id)
    VALUES (9, '\x00000001', '00000000-0000-0000-0000-000000000001', 'managed', '\x00',
            decode(repeat('00', 32), 'hex'), '\x0102030405060708');
EXECUTE restore;
SET keyring.input_format = ciphertext;
EXECUTE restore;
RESET keyring.input_format;
SET session_replication_role = replica;
DELETE FROM keyring_key WHERE id = 4;
RESET session_replication_role;

-- arguments
SELECT keyring_create_key('nonesuch');
SELECT keyring_create_key('managed', 'projects/p');
SELECT keyring_create_key(NULL);
SELECT keyring_create_key(label => repeat('x', 200));
SELECT keyring_activate(99);
SELECT keyring_check_key(99);
SELECT keyring_destroy_key(99);
SELECT keyring_rewrap_key(99);
BEGIN READ ONLY;
SELECT keyring_create_key();
ROLLBACK;

-- who changed which key
SELECT key_id, action, actor = current_user AS by_me, detail LIKE '%force%' AS forced FROM keyring_events;

DROP TABLE patient;
DROP EXTENSION keyring;
