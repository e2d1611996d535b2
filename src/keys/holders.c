/*
 * src/keys/holders.c
 *
 * A cursor WITH HOLD keeps its rows in the memory of its session when its transaction has ended. If those hold
 * envelopes, a trigger can still store one of them as it is. Nobody else can see such rows, so that
 * there are some is noted in shared memory, and no key is destroyed meanwhile.
 *
 * A procedure or DO that ends a transaction and goes on keeps the rows of its loops in the same way, and its variables. In
 * the transaction that it began in it keeps no more than anybody does, and is waited for; in a later one, it may hold what
 * it has read before.
 *
 * A session takes an entry with its first such cursor or procedure and keeps it to its end. The lock of the part guards all
 * fields; what a transaction is called is read without one, as PostgreSQL does.
 */
#include "postgres.h"

#include "keys/holders.h"
#include "keys/lifecycle.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/shmem.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "utils/memutils.h"

typedef struct KrHolder
{
	int pid; /* 0: nobody's */
	int cursors;
	Oid database;
	const PGPROC *proc;
	LocalTransactionId began; /* the transaction that a procedure began in; 0: there is none */
} KrHolder;

static KrHolder *holders = NULL;
static LWLock *holders_lock = NULL;

/* this session's, or NULL */
static KrHolder *mine = NULL;

static Size
holders_size(void)
{
	return sizeof(KrHolder) * MaxBackends;
}

static void
start_holders(void *memory, LWLock *lock, bool found)
{
	holders = memory;
	holders_lock = lock;
}

static void
leave(int code, Datum arg)
{
	LWLockAcquire(holders_lock, LW_EXCLUSIVE);
	*mine = (KrHolder){ 0 };
	LWLockRelease(holders_lock);
	mine = NULL;
}

/* There are as many entries as there can be sessions. */
static void
enter(void)
{
	LWLockAcquire(holders_lock, LW_EXCLUSIVE);
	for (mine = holders; mine->pid != 0; mine++)
		;
	*mine = (KrHolder){ .pid = MyProcPid, .database = MyDatabaseId, .proc = MyProc };
	LWLockRelease(holders_lock);
	before_shmem_exit(leave, (Datum) 0);
}

static void
count(int more)
{
	LWLockAcquire(holders_lock, LW_EXCLUSIVE);
	mine->cursors += more;
	LWLockRelease(holders_lock);
}

/* Also at the end of the process, when the entry may be gone. */
static void
cursor_is_gone(void *arg)
{
	if (mine != NULL)
		count(-1);
}

void
kr_keys_hold_cursor(MemoryContext cursor)
{
	MemoryContextCallback *callback = MemoryContextAllocZero(cursor, sizeof(MemoryContextCallback));

	if (mine == NULL)
		enter();
	callback->func = cursor_is_gone;
	MemoryContextRegisterResetCallback(cursor, callback);
	count(1);
}

static void
set_began(LocalTransactionId transaction)
{
	LWLockAcquire(holders_lock, LW_EXCLUSIVE);
	mine->began = transaction;
	LWLockRelease(holders_lock);
}

bool
kr_keys_begin_procedure(void)
{
	if (mine == NULL)
		enter();
	if (mine->began != InvalidLocalTransactionId)
		return false;
	set_began(kr_pg_lxid_of(MyProc));
	return true;
}

void
kr_keys_end_procedure(void)
{
	set_began(InvalidLocalTransactionId);
}

static bool
has_cursor(const KrHolder *holder)
{
	return holder->cursors > 0;
}

/* Of one's own procedure one knows what it does: it may be the one that has moved the values, and destroys the key now. */
static bool
has_procedure(const KrHolder *holder)
{
	return holder->began != InvalidLocalTransactionId && holder != mine && kr_pg_lxid_of(holder->proc) != holder->began;
}

static int
holder_that(bool (*holds)(const KrHolder *))
{
	int pid = 0;

	LWLockAcquire(holders_lock, LW_SHARED);
	for (int i = 0; i < MaxBackends && pid == 0; i++)
	{
		if (holders[i].pid != 0 && holders[i].database == MyDatabaseId && holds(&holders[i]))
			pid = holders[i].pid;
	}
	LWLockRelease(holders_lock);
	return pid;
}

int
kr_keys_cursor_holder(void)
{
	return holder_that(has_cursor);
}

int
kr_keys_procedure_holder(void)
{
	return holder_that(has_procedure);
}

void
kr_keys_holders_init(void)
{
	static const KrShmemPart part = { "keyring holders", holders_size, start_holders, false };

	kr_pg_shmem_add(&part);
}
