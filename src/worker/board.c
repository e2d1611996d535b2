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

typedef struct KrSlot
{
	KrSlotState state;
	Oid database;
	Latch *worker; /* while it is working */
} KrSlot;

typedef struct KrBoard
{
	Latch *launcher; /* NULL: not running */
	bool everywhere; /* look at every database: more asked than there is room for */
	int nrequests;
	Oid requests[KR_REQUESTS_MAX];
	KrSlot slots[KR_JOB_WORKERS_MAX];
} KrBoard;

static KrBoard *board = NULL;
static LWLock *board_lock = NULL;

/* whether this transaction asks, or wakes, when it commits */
static bool asking = false;
static bool waking = false;

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

void
kr_worker_wake_at_commit(void)
{
	waking = true;
}

static void
wake_workers(void)
{
	LWLockAcquire(board_lock, LW_SHARED);
	for (int i = 0; i < KR_JOB_WORKERS_MAX; i++)
	{
		if (board->slots[i].state == KR_SLOT_WORKING && board->slots[i].database == MyDatabaseId)
			SetLatch(board->slots[i].worker);
	}
	LWLockRelease(board_lock);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT && waking)
		wake_workers();
	if (event == XACT_EVENT_COMMIT && asking)
		kr_worker_ask(MyDatabaseId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		asking = waking = false;
}

/* After the locks of a transaction are gone: who comes next can have the job. */
static void
leave_slot(int code, Datum arg)
{
	KrSlot *slot = &board->slots[DatumGetInt32(arg)];

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	if (slot->state == KR_SLOT_WORKING)
		slot->state = KR_SLOT_DIED;
	/* a launcher that has not started it is not told by the postmaster */
	if (board->launcher != NULL)
		SetLatch(board->launcher);
	LWLockRelease(board_lock);
}

bool
kr_worker_begin(int number, Oid database)
{
	KrSlot *slot = &board->slots[number];
	bool ours;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	/* free: started by a launcher that has ended since */
	ours = slot->state == KR_SLOT_FREE || (slot->state == KR_SLOT_STARTED && slot->database == database);
	if (ours)
		*slot = (KrSlot){ .state = KR_SLOT_WORKING, .database = database, .worker = MyLatch };
	LWLockRelease(board_lock);
	if (ours)
		before_shmem_exit(leave_slot, Int32GetDatum(number));
	return ours;
}

static void
set_slot(int slot, KrSlotState state)
{
	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	board->slots[slot].state = state;
	LWLockRelease(board_lock);
}

void
kr_worker_finished(int slot)
{
	set_slot(slot, KR_SLOT_FINISHED);
}

void
kr_worker_free_slot(int slot)
{
	set_slot(slot, KR_SLOT_FREE);
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
	/* whether they come is not known, nor whether the postmaster could start them */
	for (int i = 0; i < KR_JOB_WORKERS_MAX; i++)
	{
		if (board->slots[i].state == KR_SLOT_STARTED)
			board->slots[i].state = KR_SLOT_FREE;
	}
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

int
kr_worker_take_slot(Oid database)
{
	int taken = -1;

	LWLockAcquire(board_lock, LW_EXCLUSIVE);
	for (int i = 0; i < KR_JOB_WORKERS_MAX && taken < 0; i++)
	{
		if (board->slots[i].state != KR_SLOT_FREE)
			continue;
		board->slots[i] = (KrSlot){ .state = KR_SLOT_STARTED, .database = database };
		taken = i;
	}
	LWLockRelease(board_lock);
	return taken;
}

KrSlotState
kr_worker_slot(int slot, Oid *database)
{
	KrSlotState state;

	LWLockAcquire(board_lock, LW_SHARED);
	state = board->slots[slot].state;
	*database = board->slots[slot].database;
	LWLockRelease(board_lock);
	return state;
}

void
kr_worker_board_init(void)
{
	static const KrShmemPart part = { "keyring jobs", board_size, start_board, false };

	kr_pg_shmem_add(&part);
	RegisterXactCallback(at_transaction_end, NULL);
}
