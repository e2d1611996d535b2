/*
 * src/keys/held_cursors.c
 *
 * A cursor WITH HOLD keeps its rows in the memory of its session when its transaction has ended. If those hold
 * envelopes, a trigger can still store one of them as it is. Nobody else can see such rows, so that
 * there are some is noted in shared memory, and no key is destroyed meanwhile.
 *
 * A session takes an entry with its first such cursor and keeps it to its end. The lock of the part guards all fields.
 */
#include "postgres.h"

#include "keys/held_cursors.h"
#include "keys/lifecycle.h"
#include "miscadmin.h"
#include "pg/shmem.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

typedef struct KrHolder
{
	int pid; /* 0: nobody's */
	int cursors;
	Oid database;
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
	*mine = (KrHolder){ .pid = MyProcPid, .database = MyDatabaseId };
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

int
kr_keys_cursor_holder(void)
{
	int pid = 0;

	LWLockAcquire(holders_lock, LW_SHARED);
	for (int i = 0; i < MaxBackends && pid == 0; i++)
	{
		if (holders[i].cursors > 0 && holders[i].database == MyDatabaseId)
			pid = holders[i].pid;
	}
	LWLockRelease(holders_lock);
	return pid;
}

void
kr_keys_held_cursors_init(void)
{
	static const KrShmemPart part = { "keyring cursors", holders_size, start_holders, false };

	kr_pg_shmem_add(&part);
}
