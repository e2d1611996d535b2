-- Jobs of re-encryption: arguments, states, privileges. Jobs that run are in test/t/070_reencrypt.pl.
SET client_min_messages = error;
CREATE EXTENSION keyring;
CREATE ROLE regress_operator;
CREATE ROLE regress_other;
SELECT keyring_grant('regress_operator', 'admin');
CREATE TABLE account (id integer PRIMARY KEY, iban encrypted_text(searchable), note encrypted_text);
CREATE TABLE plain (id integer);
CREATE VIEW account_view AS SELECT * FROM account;

-- without a key there is nothing to move to
SELECT keyring_reencrypt();
SELECT keyring_create_key() AS key, keyring_activate(1);
SELECT keyring_create_key();
SELECT keyring_activate(1);
INSERT INTO account VALUES (1, 'DE1', 'a'), (2, 'DE2', NULL);

-- what cannot be meant
SELECT keyring_reencrypt(column_name => 'iban');
SELECT keyring_reencrypt('account', 'nonesuch');
SELECT keyring_reencrypt('account', 'id');
SELECT keyring_reencrypt('plain');
SELECT keyring_reencrypt('account_view');
SELECT keyring_reencrypt(4294967295::oid::regclass);
SELECT keyring_pause_job(7);
SELECT keyring_pause_job(NULL);
CALL keyring_wait_for_job();
CALL keyring_wait_for_job(7);

-- nobody else may, not even look
SET ROLE regress_other;
SELECT keyring_reencrypt();
SELECT keyring_cancel_job(1);
CALL keyring_wait_for_job();
SELECT * FROM keyring_jobs;
SELECT * FROM keyring_unrecoverable;
SELECT * FROM keyring_unmoved;
RESET ROLE;

-- states, in a transaction, so that no worker sees the jobs
SET ROLE regress_operator;
BEGIN;
SELECT keyring_reencrypt('account', 'iban');
SELECT keyring_reencrypt('account', 'note', skip_unavailable => true);
SELECT id, state, relation, column_name, skip_unavailable, started_by, finished_at FROM keyring_jobs;
SELECT keyring_pause_job(1);
SAVEPOINT s;
SELECT keyring_pause_job(1);
ROLLBACK TO s;
SELECT keyring_reencrypt('account', 'iban');
ROLLBACK TO s;
SELECT keyring_reencrypt();
ROLLBACK TO s;
SELECT keyring_resume_job(1);
SELECT keyring_cancel_job(2);
SELECT id, state, finished_at IS NOT NULL AS finished FROM keyring_jobs;
SAVEPOINT s;
SELECT keyring_resume_job(2);
ROLLBACK TO s;
SELECT keyring_reencrypt('account', 'note');
CALL keyring_wait_for_job();
ROLLBACK;
SELECT count(*) FROM keyring_jobs;

BEGIN READ ONLY;
SELECT keyring_reencrypt();
ROLLBACK;

-- the guard of last resort
RESET ROLE;
BEGIN;
INSERT INTO keyring_job (id, skip_unavailable, started_by) VALUES (1, false, 'x'), (2, false, 'x');
INSERT INTO keyring_job_column VALUES (1, 'account'::regclass, 2);
\set VERBOSITY sqlstate
INSERT INTO keyring_job_column VALUES (2, 'account'::regclass, 2);
\set VERBOSITY default
ROLLBACK;

-- one that runs
SET ROLE regress_operator;
SELECT keyring_activate(2);
SELECT keyring_reencrypt('account');
DO $$ BEGIN
    WHILE EXISTS (SELECT FROM keyring_jobs WHERE state <> 'completed') LOOP
        COMMIT;
        PERFORM pg_sleep(0.02);
    END LOOP;
END $$;
SELECT state, target_key, scanned, unrecoverable, percent FROM keyring_jobs;
SELECT column_name, key_id, value_count FROM keyring_census('account') ORDER BY 1;
SELECT keyring_pause_job(1);
SELECT keyring_cancel_job(1);
RESET ROLE;
SELECT id, iban, note FROM account ORDER BY id;

DROP VIEW account_view;
DROP TABLE account, plain;
DROP EXTENSION keyring;
DROP ROLE regress_operator, regress_other;
