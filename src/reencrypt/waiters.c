/*
 * src/reencrypt/waiters.c
 *
 * A batch locks each row that it moves until it commits. Who wants one of these rows sleeps on the
 * lock of the transaction, so a batch that looks now and then who is asleep can commit when it is in
 * somebody's way, instead of when its time is up.
 *
 * And it commits before its WAL is on disk. Nothing can be lost by that: position and rows are in one
 * transaction, and what makes a job complete, or a key destroyed, commits after them and waits for all WAL up to itself.
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"
#include "reencrypt/waiters.h"
#include "replication/syncrep.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "utils/guc.h"

static bool
is_ours(const PGPROC *proc, const LOCKTAG *tag, Oid relation)
{
	switch (tag->locktag_type)
	{
		case LOCKTAG_TRANSACTION:
			return TransactionIdIsCurrentTransactionId(tag->locktag_field1);
		case LOCKTAG_RELATION:
			return tag->locktag_field1 == MyDatabaseId && tag->locktag_field2 == relation &&
				DoLockModesConflict(proc->waitLockMode, RowExclusiveLock);
		default:
			return false;
	}
}

/*
 * Without a lock, as deadlock detection of each waiter would have to be kept out otherwise. Locks live in memory that is
 * never given back, so the worst that can be read is another lock's tag: a batch too short, or one too long by a page.
 */
bool
kr_reencrypt_is_waited_for(Oid relation)
{
	for (uint32 i = 0; i < ProcGlobal->allProcCount; i++)
	{
		const PGPROC *proc = GetPGProcByNumber(i);
		const volatile LOCK *wanted = ((const volatile PGPROC *) proc)->waitLock;
		LOCKTAG tag;

		if (wanted == NULL)
			continue;
		tag = wanted->tag;
		if (is_ours(proc, &tag, relation))
			return true;
	}
	return false;
}

void
kr_reencrypt_commit_at_once(void)
{
	if (synchronous_commit > SYNCHRONOUS_COMMIT_OFF)
		(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

void
kr_reencrypt_flush_wal(uint64 tolerated)
{
	if (synchronous_commit > SYNCHRONOUS_COMMIT_OFF && !XLogRecPtrIsInvalid(XactLastRecEnd) &&
		XactLastRecEnd > GetFlushRecPtr(NULL) + tolerated)
		XLogFlush(XactLastRecEnd);
}

void
kr_reencrypt_wait_for_wal(void)
{
	if (synchronous_commit <= SYNCHRONOUS_COMMIT_OFF || XLogRecPtrIsInvalid(XactLastCommitEnd))
		return;
	XLogFlush(XactLastCommitEnd);
	/* being told to end is looked at by the caller */
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(XactLastCommitEnd, true);
	RESUME_INTERRUPTS();
}
