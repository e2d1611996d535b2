-- ---------------------------------------------------------------------------
-- Re-encryption: jobs, and values that could not be moved.
--
-- Neither table is dumped: they speak of Oids, blocks and places of rows, which a restored
-- database does not share. There a new job is started.
-- ---------------------------------------------------------------------------

CREATE TABLE keyring_job (
    id bigint PRIMARY KEY CHECK (id > 0),
    state text NOT NULL DEFAULT 'queued'
        CHECK (state IN ('queued', 'running', 'waiting', 'paused', 'completed', 'cancelled')),
    relation oid,
    column_name name,
    attnum smallint,
    skip_unavailable boolean NOT NULL,
    started_by text NOT NULL,
    target_key integer,
    pass integer NOT NULL DEFAULT 0,
    looking boolean NOT NULL DEFAULT false,
    current_relation oid NOT NULL DEFAULT 0,
    next_block bigint NOT NULL DEFAULT 0,
    end_block bigint NOT NULL DEFAULT 0,
    done_blocks bigint NOT NULL DEFAULT 0,
    total_blocks bigint NOT NULL DEFAULT 0,
    scanned bigint NOT NULL DEFAULT 0,
    moved bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    pass_seconds double precision NOT NULL DEFAULT 0,
    waiting_reason text,
    waiting_for_pid integer,
    waiting_for_transaction text,
    unreadable_tables integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CONSTRAINT keyring_job_column_of_relation CHECK (column_name IS NULL OR relation IS NOT NULL),
    CONSTRAINT keyring_job_finished CHECK ((state IN ('completed', 'cancelled')) = (finished_at IS NOT NULL))
);
REVOKE ALL ON keyring_job FROM PUBLIC;

COMMENT ON TABLE keyring_job IS 'jobs of re-encryption; the view keyring_jobs shows them';
COMMENT ON COLUMN keyring_job.id IS 'number of the job, counted up';
COMMENT ON COLUMN keyring_job.state IS 'queued, running, waiting, paused, completed or cancelled';
COMMENT ON COLUMN keyring_job.relation IS 'the table that the job is about, with its heirs; NULL: every one';
COMMENT ON COLUMN keyring_job.column_name IS 'name, when the job was started, of the column that it is about; NULL: every one';
COMMENT ON COLUMN keyring_job.attnum IS 'number of the column in the relation: it may be renamed in the middle of the job';
COMMENT ON COLUMN keyring_job.skip_unavailable IS 'whether values whose key cannot be had now are recorded instead of waited for';
COMMENT ON COLUMN keyring_job.started_by IS 'current user of keyring_reencrypt()';
COMMENT ON COLUMN keyring_job.target_key IS 'the primary key that this pass moves values to';
COMMENT ON COLUMN keyring_job.pass IS 'number of the pass; 0 before the first';
COMMENT ON COLUMN keyring_job.looking IS 'whether the pass goes only where the one before it left something, not everywhere';
COMMENT ON COLUMN keyring_job.current_relation IS 'relation that the pass is in; if it goes everywhere, those with a lower Oid are done';
COMMENT ON COLUMN keyring_job.next_block IS 'first block of it that the pass has not done';
COMMENT ON COLUMN keyring_job.end_block IS 'number of its blocks when the pass came to it';
COMMENT ON COLUMN keyring_job.done_blocks IS 'blocks that the pass has done, in all relations';
COMMENT ON COLUMN keyring_job.total_blocks IS 'blocks that the pass had to do when it began';
COMMENT ON COLUMN keyring_job.scanned IS 'values that the pass has looked at';
COMMENT ON COLUMN keyring_job.moved IS 'values that the job has moved, in all passes';
COMMENT ON COLUMN keyring_job.skipped IS 'values that the pass found under the primary key';
COMMENT ON COLUMN keyring_job.pass_seconds IS 'time that the pass has taken, with rests between batches but not what it has waited for';
COMMENT ON COLUMN keyring_job.waiting_reason IS 'why the job is waiting';
COMMENT ON COLUMN keyring_job.waiting_for_pid IS 'process that it waits for';
COMMENT ON COLUMN keyring_job.waiting_for_transaction IS 'transaction that it waits for';
COMMENT ON COLUMN keyring_job.unreadable_tables IS 'temporary tables of other sessions with encrypted columns, which nobody else can read';
COMMENT ON COLUMN keyring_job.created_at IS 'when the job was started';
COMMENT ON COLUMN keyring_job.finished_at IS 'when it was completed or cancelled';

-- What each job has set out to do. The index is what keeps two jobs off one column.
CREATE TABLE keyring_job_column (
    job_id bigint NOT NULL REFERENCES keyring_job,
    relation oid NOT NULL,
    attnum smallint NOT NULL,
    active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (job_id, relation, attnum)
);
REVOKE ALL ON keyring_job_column FROM PUBLIC;
CREATE UNIQUE INDEX keyring_job_column_one_active ON keyring_job_column (relation, attnum) WHERE active;
COMMENT ON INDEX keyring_job_column_one_active IS 'at most one active job for a column';
COMMENT ON TABLE keyring_job_column IS 'columns that each job was started for';
COMMENT ON COLUMN keyring_job_column.job_id IS 'the job';
COMMENT ON COLUMN keyring_job_column.relation IS 'the table or materialized view';
COMMENT ON COLUMN keyring_job_column.attnum IS 'number of the column';
COMMENT ON COLUMN keyring_job_column.active IS 'whether the job has neither been completed nor cancelled';

CREATE TABLE keyring_unmoved (
    relation oid NOT NULL,
    attnum smallint NOT NULL,
    place tid NOT NULL,
    job_id bigint NOT NULL REFERENCES keyring_job,
    pass integer NOT NULL,
    primary_key jsonb,
    key_id integer,
    reason text NOT NULL CHECK (reason IN ('key destroyed', 'key unknown', 'envelope damaged', 'page unreadable', 'key unavailable',
        'row refused')),
    message text NOT NULL,
    tries integer NOT NULL DEFAULT 1,
    first_tried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_tried_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (relation, attnum, place)
);
REVOKE ALL ON keyring_unmoved FROM PUBLIC;
COMMENT ON TABLE keyring_unmoved IS 'values that a job could not move; the view keyring_unrecoverable shows them';
COMMENT ON COLUMN keyring_unmoved.relation IS 'the table or materialized view';
COMMENT ON COLUMN keyring_unmoved.attnum IS 'number of the column';
COMMENT ON COLUMN keyring_unmoved.place IS 'where the row was (its ctid); of a page that cannot be read, the page with 0';
COMMENT ON COLUMN keyring_unmoved.job_id IS 'the job that last tried it';
COMMENT ON COLUMN keyring_unmoved.pass IS 'the pass of that job';
COMMENT ON COLUMN keyring_unmoved.primary_key IS 'primary key of the row, encrypted parts as envelopes; NULL if it has none';
COMMENT ON COLUMN keyring_unmoved.key_id IS 'the key that the envelope names; NULL if this database does not have it';
COMMENT ON COLUMN keyring_unmoved.reason IS 'key destroyed, key unknown, envelope damaged, page unreadable, key unavailable or row refused';
COMMENT ON COLUMN keyring_unmoved.message IS 'the error';
COMMENT ON COLUMN keyring_unmoved.tries IS 'how often a pass has found it so';
COMMENT ON COLUMN keyring_unmoved.first_tried_at IS 'when a pass first found it so';
COMMENT ON COLUMN keyring_unmoved.last_tried_at IS 'when a pass last found it so';

-- NULL stands for all.
CREATE FUNCTION keyring_reencrypt(relation regclass DEFAULT NULL, column_name name DEFAULT NULL,
                                  skip_unavailable boolean DEFAULT false)
    RETURNS bigint LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_reencrypt';
REVOKE ALL ON FUNCTION keyring_reencrypt(regclass, name, boolean) FROM PUBLIC;
COMMENT ON FUNCTION keyring_reencrypt(regclass, name, boolean) IS
    'starts a job that moves existing values to the primary key, in the background; returns its id at once';

CREATE FUNCTION keyring_pause_job(job_id bigint)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_pause_job';
REVOKE ALL ON FUNCTION keyring_pause_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION keyring_pause_job(bigint) IS 'stops a job where it is, at commit, until keyring_resume_job()';

CREATE FUNCTION keyring_resume_job(job_id bigint)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_resume_job';
REVOKE ALL ON FUNCTION keyring_resume_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION keyring_resume_job(bigint) IS 'lets a paused job go on where it was';

CREATE FUNCTION keyring_cancel_job(job_id bigint)
    RETURNS void LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'keyring_cancel_job';
REVOKE ALL ON FUNCTION keyring_cancel_job(bigint) FROM PUBLIC;
COMMENT ON FUNCTION keyring_cancel_job(bigint) IS 'ends a job, at commit; values that were moved stay moved';

-- NULL stands for the newest job, and for no limit of time.
CREATE PROCEDURE keyring_wait_for_job(job_id bigint DEFAULT NULL, timeout interval DEFAULT NULL)
    LANGUAGE c AS 'MODULE_PATHNAME', 'keyring_wait_for_job';
REVOKE ALL ON PROCEDURE keyring_wait_for_job(bigint, interval) FROM PUBLIC;
COMMENT ON PROCEDURE keyring_wait_for_job(bigint, interval) IS
    'waits until a job has ended, and says meanwhile how far it is; not inside a transaction block';

CREATE VIEW keyring_jobs AS
    SELECT j.id, j.state, j.relation::regclass AS relation,
           coalesce((SELECT a.attname FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid OPERATOR(pg_catalog.=) j.relation AND a.attnum OPERATOR(pg_catalog.=) j.attnum
                        AND NOT a.attisdropped), j.column_name) AS column_name,
           j.target_key, j.pass,
           nullif(j.current_relation, 0::oid)::regclass AS current_relation,
           CASE WHEN j.done_blocks OPERATOR(pg_catalog.>=) j.total_blocks THEN j.scanned
                WHEN j.done_blocks OPERATOR(pg_catalog.>) 0::bigint
                THEN (j.scanned::double precision OPERATOR(pg_catalog.*) j.total_blocks::double precision
                      OPERATOR(pg_catalog./) j.done_blocks::double precision)::bigint
           END AS total,
           j.scanned, j.moved, j.skipped,
           (SELECT pg_catalog.count(*) FROM @extschema@.keyring_unmoved u
             WHERE u.job_id OPERATOR(pg_catalog.=) j.id) AS unrecoverable,
           (CASE WHEN j.state OPERATOR(pg_catalog.=) 'completed'::text THEN 100::double precision
                 WHEN j.total_blocks OPERATOR(pg_catalog.>) 0::bigint
                 THEN least(100::double precision, j.done_blocks::double precision OPERATOR(pg_catalog.*) 100::double precision
                            OPERATOR(pg_catalog./) j.total_blocks::double precision)
            END)::numeric(5,1) AS percent,
           CASE WHEN j.pass_seconds OPERATOR(pg_catalog.>) 0::double precision
                THEN (j.scanned::double precision OPERATOR(pg_catalog./) j.pass_seconds)::bigint
           END AS rate,
           CASE WHEN j.state OPERATOR(pg_catalog.=) 'running'::text AND j.done_blocks OPERATOR(pg_catalog.>) 0::bigint
                THEN pg_catalog.make_interval(secs => pg_catalog.round(j.pass_seconds
                     OPERATOR(pg_catalog.*) greatest(0::bigint, j.total_blocks OPERATOR(pg_catalog.-) j.done_blocks)::double precision
                     OPERATOR(pg_catalog./) j.done_blocks::double precision))
           END AS time_left,
           j.waiting_reason, j.waiting_for_pid, j.waiting_for_transaction, j.unreadable_tables,
           j.skip_unavailable, j.started_by, j.created_at, j.finished_at
      FROM @extschema@.keyring_job j
     ORDER BY j.id;
REVOKE ALL ON keyring_jobs FROM PUBLIC;
COMMENT ON VIEW keyring_jobs IS 'jobs of re-encryption and how far they are';
COMMENT ON COLUMN keyring_jobs.id IS 'number of the job';
COMMENT ON COLUMN keyring_jobs.state IS 'queued, running, waiting, paused, completed or cancelled';
COMMENT ON COLUMN keyring_jobs.relation IS 'the table that the job is about, with its heirs; NULL: every one';
COMMENT ON COLUMN keyring_jobs.column_name IS 'the column that the job is about; NULL: every one';
COMMENT ON COLUMN keyring_jobs.target_key IS 'the primary key that this pass moves values to';
COMMENT ON COLUMN keyring_jobs.pass IS 'number of the pass; a new one begins when the count after a pass has found an old value';
COMMENT ON COLUMN keyring_jobs.current_relation IS 'where the pass is';
COMMENT ON COLUMN keyring_jobs.total IS 'values that the pass will look at, estimated from what it has seen';
COMMENT ON COLUMN keyring_jobs.scanned IS 'values that the pass has looked at';
COMMENT ON COLUMN keyring_jobs.moved IS 'values that the job has moved, in all passes';
COMMENT ON COLUMN keyring_jobs.skipped IS 'values that the pass found under the primary key';
COMMENT ON COLUMN keyring_jobs.unrecoverable IS 'values that the job could not move: see keyring_unrecoverable';
COMMENT ON COLUMN keyring_jobs.percent IS 'share of the pass that is done';
COMMENT ON COLUMN keyring_jobs.rate IS 'values that the pass looks at in a second, rests between batches included';
COMMENT ON COLUMN keyring_jobs.time_left IS 'time that the rest of the pass will take, at this rate';
COMMENT ON COLUMN keyring_jobs.waiting_reason IS 'why the job is waiting; it goes on by itself';
COMMENT ON COLUMN keyring_jobs.waiting_for_pid IS 'process that it waits for';
COMMENT ON COLUMN keyring_jobs.waiting_for_transaction IS 'transaction that it waits for: a virtual transaction id, or the name of a prepared one';
COMMENT ON COLUMN keyring_jobs.unreadable_tables IS 'temporary tables of other sessions with encrypted columns, which nobody else can read';
COMMENT ON COLUMN keyring_jobs.skip_unavailable IS 'whether values whose key cannot be had now are recorded instead of waited for';
COMMENT ON COLUMN keyring_jobs.started_by IS 'current user of keyring_reencrypt()';
COMMENT ON COLUMN keyring_jobs.created_at IS 'when the job was started';
COMMENT ON COLUMN keyring_jobs.finished_at IS 'when it was completed or cancelled';

CREATE VIEW keyring_unrecoverable AS
    SELECT u.job_id, u.relation::regclass AS relation, a.attname AS column_name, u.place AS ctid, u.primary_key,
           u.key_id, u.reason, u.message, u.tries, u.first_tried_at, u.last_tried_at
      FROM @extschema@.keyring_unmoved u
      JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) u.relation
                                    AND a.attnum OPERATOR(pg_catalog.=) u.attnum
                                    AND NOT a.attisdropped;
REVOKE ALL ON keyring_unrecoverable FROM PUBLIC;
COMMENT ON VIEW keyring_unrecoverable IS 'values that could not be moved to the primary key, row by row, and why';
COMMENT ON COLUMN keyring_unrecoverable.job_id IS 'the job that last tried it';
COMMENT ON COLUMN keyring_unrecoverable.relation IS 'the table or materialized view';
COMMENT ON COLUMN keyring_unrecoverable.column_name IS 'the column';
COMMENT ON COLUMN keyring_unrecoverable.ctid IS 'where the row was then; of a page that cannot be read, the page with 0';
COMMENT ON COLUMN keyring_unrecoverable.primary_key IS 'primary key of the row, encrypted parts as envelopes; NULL if it has none';
COMMENT ON COLUMN keyring_unrecoverable.key_id IS 'the key that the envelope names; NULL if this database does not have it';
COMMENT ON COLUMN keyring_unrecoverable.reason IS 'key destroyed, key unknown, envelope damaged, page unreadable, key unavailable or row refused';
COMMENT ON COLUMN keyring_unrecoverable.message IS 'the error';
COMMENT ON COLUMN keyring_unrecoverable.tries IS 'how often a pass has found it so';
COMMENT ON COLUMN keyring_unrecoverable.first_tried_at IS 'when a pass first found it so';
COMMENT ON COLUMN keyring_unrecoverable.last_tried_at IS 'when a pass last found it so';
