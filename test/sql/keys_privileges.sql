-- Who may do what: capabilities, closed tables, the reader's check.
SET client_min_messages = error;
CREATE EXTENSION keyring;
SELECT keyring_create_key();
RESET client_min_messages;
SELECT keyring_activate(1);
\set SHOW_CONTEXT never

CREATE ROLE keyring_test_admin;
CREATE ROLE keyring_test_user;
CREATE ROLE keyring_test_reader;
CREATE ROLE keyring_test_backup;
CREATE ROLE "keyring test %s";
CREATE TABLE patient (id integer, ssn encrypted_text(searchable));
INSERT INTO patient VALUES (1, '078-05-1120');
GRANT ALL ON patient TO PUBLIC;

SELECT keyring_grant('keyring_test_admin', 'admin');
SELECT keyring_grant('keyring_test_reader', 'reader');
SELECT keyring_grant('keyring_test_backup', 'backup');
SELECT keyring_grant('"keyring test %s"', 'reader');
SELECT keyring_grant('keyring_test_user', 'nonesuch');

-- a user without a capability: values, yes; keys, no
SET ROLE keyring_test_user;
SELECT ssn FROM patient;
SELECT keyring_create_key();
SELECT keyring_activate(1);
SELECT keyring_destroy_key(1);
SELECT keyring_flush_cache();
SELECT keyring_grant('keyring_test_user', 'admin');
SELECT * FROM keyring_doctor();
SELECT * FROM keyring_key;
SELECT * FROM keyring_event;
SELECT * FROM keyring_keys;
UPDATE keyring_key SET state = 'destroyed', wrapped = NULL;
SET keyring.output_format = ciphertext;
SELECT ssn FROM patient;
RESET keyring.output_format;
SET keyring.require_reader = off;

-- an administrator who is no superuser
SET ROLE keyring_test_admin;
SELECT keyring_create_key(label => 'by an administrator');
SELECT keyring_activate(2);
SELECT id, state FROM keyring_keys;
SELECT key_id, action, actor FROM keyring_events WHERE key_id = 2;
SELECT keyring_destroy_key(1, force => true);
SELECT * FROM keyring_key;
SELECT keyring_grant('keyring_test_user', 'reader');
SELECT keyring_revoke('keyring_test_user', 'reader');

-- only readers read
RESET ROLE;
SET keyring.require_reader = on;
SET ROLE keyring_test_user;
SELECT ssn FROM patient;
SELECT ssn::text FROM patient;
SELECT length(ssn) FROM patient;
SELECT id FROM patient WHERE ssn = '078-05-1120';
SELECT id FROM patient WHERE ssn LIKE '078%';
SELECT id FROM patient ORDER BY ssn;
COPY patient TO STDOUT;
SELECT id FROM patient;
INSERT INTO patient VALUES (2, 'written by a non-reader');
SET ROLE keyring_test_reader;
SELECT ssn FROM patient ORDER BY id;
SET ROLE "keyring test %s";
SELECT ssn FROM patient ORDER BY id;
RESET ROLE;

-- a view is no way round, a SECURITY DEFINER function of a reader is one that its owner chose
CREATE VIEW patient_view AS SELECT ssn FROM patient;
CREATE FUNCTION patient_ssn() RETURNS text LANGUAGE sql SECURITY DEFINER
    AS 'SELECT ssn FROM public.patient WHERE id = 1';
GRANT SELECT ON patient_view TO PUBLIC;
SET ROLE keyring_test_user;
SELECT * FROM patient_view;
SELECT patient_ssn();
RESET ROLE;

-- revoking counts at the next statement
SELECT keyring_revoke('keyring_test_reader', 'reader');
SET ROLE keyring_test_reader;
SELECT ssn FROM patient;
RESET ROLE;
SELECT keyring_grant('keyring_test_reader', 'reader');
GRANT keyring_test_reader TO keyring_test_user;
SET ROLE keyring_test_user;
SELECT ssn FROM patient ORDER BY id;
RESET ROLE;

-- backup: ciphertext and wrapped keys
SET ROLE keyring_test_backup;
SET keyring.output_format = ciphertext;
SELECT ssn::text FROM patient;
SELECT id, wrapped IS NOT NULL AS wrapped FROM keyring_key ORDER BY id;
RESET keyring.output_format;
RESET ROLE;

SET keyring.require_reader = off;
DROP VIEW patient_view;
DROP FUNCTION patient_ssn();
DROP TABLE patient;
DROP EXTENSION keyring;
DROP ROLE keyring_test_admin, keyring_test_user, keyring_test_reader, keyring_test_backup, "keyring test %s";
