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

/* A job worker found nothing left to do: without this the launcher starts another in its place. */
extern void kr_worker_finished(int slot);

/* For the launcher. */
extern void kr_worker_announce_launcher(void);
extern bool kr_worker_take_request(Oid *database, bool *everywhere); /* false when there is none */
extern void kr_worker_begin_slot(int slot);
extern bool kr_worker_slot_finished(int slot);

/* Shared memory and callbacks; from _PG_init. */
extern void kr_worker_board_init(void);

#endif
