/*
 * src/reencrypt/jobs.h
 *
 * Rows of keyring_job and keyring_job_column, and only here. They are written by SQL as the
 * extension's owner. The table of moves between states is README.md's.
 */
#ifndef KR_REENCRYPT_JOBS_H
#define KR_REENCRYPT_JOBS_H

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "pg/compat.h"
#include "storage/block.h"

typedef enum KrJobState
{
	KR_JOB_QUEUED,  /* nobody has begun, or it was resumed */
	KR_JOB_RUNNING, /* a worker is at it, or one was when the server stopped */
	KR_JOB_WAITING, /* the same, but something is in the way; waiting_reason says what */
	KR_JOB_PAUSED,
	KR_JOB_COMPLETED,
	KR_JOB_CANCELLED
} KrJobState;

typedef struct KrJob
{
	int64 id;
	KrJobState state;
	Oid relation; /* InvalidOid: all */
	char *column; /* by its name of now; NULL: all */
	bool skip_unavailable;
	int32 target_key; /* 0 before the first pass */
	int32 pass;       /* 0 before the first pass */
	bool looking;     /* the pass goes only where the one before it left something */
	Oid current;      /* relation that the pass is in, or the last it has done */
	BlockNumber next_block;
	BlockNumber end_block; /* next_block = end_block: current is done */

	/* counters, for those who watch */
	int64 done_blocks;
	int64 total_blocks;
	int64 scanned;
	int64 moved;
	int64 skipped;
	double pass_seconds;
} KrJob;

/* What a job waits for. pid 0 and transaction NULL where there is none. */
typedef struct KrObstacle
{
	char *reason;
	int pid;
	char *transaction;
} KrObstacle;

static inline bool
kr_reencrypt_is_active(KrJobState state)
{
	return state != KR_JOB_COMPLETED && state != KR_JOB_CANCELLED;
}

static inline bool
kr_reencrypt_is_workable(KrJobState state)
{
	return state == KR_JOB_QUEUED || state == KR_JOB_RUNNING || state == KR_JOB_WAITING;
}

extern const char *kr_reencrypt_state_name(KrJobState state);

/* Serialises the start of jobs in this database until the transaction ends. */
extern void kr_reencrypt_lock_jobs(void);

/*
 * The row of a job, or NULL. Locked: nobody pauses or cancels it until the transaction ends.
 * palloc'd.
 */
extern KrJob *kr_reencrypt_read(int64 id);
extern KrJob *kr_reencrypt_read_locked(int64 id);

/* The id of the newest job, or 0. */
extern int64 kr_reencrypt_newest(void);

/* Ids of the jobs that a worker could do (int64 *), oldest first. */
extern List *kr_reencrypt_workable(void);

/* Adds a queued job; returns its id. relation InvalidOid and column NULL: all. */
extern int64 kr_reencrypt_insert(Oid relation, const char *column, bool skip_unavailable);

/* Notes that an active job is about a column. 55006 when another one is. */
extern void kr_reencrypt_add_column(int64 id, Oid relation, AttrNumber attnum);

/* Moves a job, locked or new, to another state; finishing gives its columns free. */
extern void kr_reencrypt_set_state(int64 id, KrJobState state);

/* Stores a running job's position and counters. */
extern void kr_reencrypt_save(const KrJob *job);

/* Stores the position alone: the job has come no further, and what it waits for is shown on. */
extern void kr_reencrypt_save_position(const KrJob *job);

/* Stores what a job waits for. */
extern void kr_reencrypt_set_waiting(int64 id, const KrObstacle *obstacle);

/* How many temporary tables of other sessions the job could not look at. */
extern void kr_reencrypt_set_unreadable(int64 id, int tables);

#endif
