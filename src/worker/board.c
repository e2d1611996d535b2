/*
 * src/worker/board.c
 *
 * A board in shared memory. Its lock guards every field and is innermost; nothing is done
 * under it but reading and writing them.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pg/shmem.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "worker/board.h"

#define KR_REQUESTS_MAX 64

typedef struct KrBoard
{
	Latch *launcher; /* NULL: not running */
	bool everywhere; /* look at every database: more asked than there is room for */
	int nrequests;
	Oid requests[KR_REQUESTS_MAX];
	bool finished[KR_JOB_WORKERS_MAX]; /* by slot of the launcher */
} KrBoard;

static KrBoard *board = NULL;
static LWLock *board_lock = NULL;

/* whether this transaction asks when it commits */
static bool asking = false;

static Size
board_size(void)
{
	return sizeof(KrBoard);
}

static void
start_board(void *memory, LWLock *lock, bool found)
{
	board = memory;
	board_lock = lock;
}

static void
add_request(Oid database)
{
	for (int i = 0; i < board->nrequests; i++)
	{
		if (board->requests[i] == database)
			return;
	}
	if (board->nrequests == KR_REQUESTS_MAX)
		board->everywhere = true;
	else
		board->requests[board->nrequests++] = database;
}

void
kr_worker_ask(Oid database)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	add_request(database);
	if (board->launcher != NULL)
		SetLatch(board->launcher);
	LWLockRelease(board_lock);
}

void
kr_worker_ask_at_commit(void)
{
	asking = true;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!asking)
		return;
	if (event == XACT_EVENT_COMMIT)
		kr_worker_ask(MyDatabaseId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		asking = false;
}

void
kr_worker_finished(int slot)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->finished[slot] = true;
	LWLockRelease(board_lock);
}

static void
withdraw_launcher(int code, Datum arg)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->launcher = NULL;
	LWLockRelease(board_lock);
}

void
kr_worker_announce_launcher(void)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->launcher = MyLatch;
	/* nobody knows what the one before has not come to */
	board->everywhere = true;
	LWLockRelease(board_lock);
	before_shmem_exit(withdraw_launcher, (Datum) 0);
}

bool
kr_worker_take_request(Oid *database, bool *everywhere)
{
	bool found;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	*everywhere = board->everywhere;
	found = board->everywhere || board->nrequests > 0;
	if (board->everywhere)
	{
		board->everywhere = false;
		board->nrequests = 0;
	}
	else if (found)
		*database = board->requests[--board->nrequests];
	LWLockRelease(board_lock);
	return found;
}

void
kr_worker_begin_slot(int slot)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->finished[slot] = false;
	LWLockRelease(board_lock);
}

bool
kr_worker_slot_finished(int slot)
{
	bool result;

	LWLockAcquire(board_lock, LW_SHARED);
	result = board->finished[slot];
	LWLockRelease(board_lock);
	return result;
}

void
kr_worker_board_init(void)
{
	static const KrShmemPart part = { "keyring jobs", board_size, start_board, false };

	kr_pg_shmem_add(&part);
	RegisterXactCallback(at_transaction_end, NULL);
}
