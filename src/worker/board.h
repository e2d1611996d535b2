/*
 * src/worker/board.h
 *
 * Where sessions and job workers tell the launcher what they need. It knows databases, not
 * jobs: those are in each database's catalog, where a worker looks for them.
 */
#ifndef KR_WORKER_BOARD_H
#define KR_WORKER_BOARD_H

#include "pg/compat.h"

/* the largest value of keyring.reencrypt_workers */
#define KR_JOB_WORKERS_MAX 32

/* Has a worker look for jobs in this database when the transaction has committed. */
extern void kr_worker_ask_at_commit(void);

/* The same at once. */
extern void kr_worker_ask(Oid database);

/* Has those who work there look at their jobs when the transaction has committed, instead of resting or waiting on. */
extern void kr_worker_wake_at_commit(void);

/* A place for a job worker. It outlives the launcher, so that the next one knows which workers there are. */
typedef enum KrSlotState
{
	KR_SLOT_FREE,
	KR_SLOT_STARTED, /* by the launcher: the worker is to come */
	KR_SLOT_WORKING,
	KR_SLOT_FINISHED, /* it found nothing left to do */
	KR_SLOT_DIED      /* it has ended otherwise */
} KrSlotState;

/* For a job worker. False: the place is another's, and it must end. */
extern bool kr_worker_begin(int slot, Oid database);

/* Nothing is left to do: without this the launcher starts another in its place. */
extern void kr_worker_finished(int slot);

/* For the launcher. */
extern void kr_worker_announce_launcher(void);
extern bool kr_worker_take_request(Oid *database, bool *everywhere); /* false when there is none */
extern int kr_worker_take_slot(Oid database);                        /* -1 when there is none */
extern KrSlotState kr_worker_slot(int slot, Oid *database);
extern void kr_worker_free_slot(int slot);

/* Shared memory and callbacks; from _PG_init. */
extern void kr_worker_board_init(void);

#endif
