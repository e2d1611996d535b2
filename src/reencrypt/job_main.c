/*
 * src/reencrypt/job_main.c
 *
 * "keyring job": a worker of one database. It takes a job that nobody works on, and ends when
 * there is none left. That it has a job is a lock, so it cannot be forgotten when the process dies;
 * of the advisory kind, since those outlive the end of a transaction that failed.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pg/extension.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "reencrypt/jobs.h"
#include "reencrypt/run.h"
#include "storage/ipc.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "worker/board.h"

/* users' advisory locks have 1 or 2 here */
#define KR_JOB_LOCK_CLASS 3

static LOCKTAG
lock_of(int64 id)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (id >> 32), (uint32) id, KR_JOB_LOCK_CLASS);
	return tag;
}

static bool
claim(int64 id)
{
	LOCKTAG tag = lock_of(id);

	return LockAcquire(&tag, ExclusiveLock, true, true) != LOCKACQUIRE_NOT_AVAIL;
}

static void
give_up(int64 id)
{
	LOCKTAG tag = lock_of(id);

	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* The oldest job that nobody works on, claimed; 0 if there is none. *more: there may be others. */
static int64
take_job(bool *more)
{
	int64 taken = 0;
	ListCell *cell;

	*more = false;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(kr_pg_schema()) && OidIsValid(get_relname_relid("keyring_job", kr_pg_schema())))
	{
		foreach(cell, kr_reencrypt_workable())
		{
			int64 id = *(int64 *) lfirst(cell);

			if (taken != 0)
				*more = true;
			else if (claim(id))
				taken = id;
		}
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	return taken;
}

static void
set(const char *name, const char *value)
{
	SetConfigOption(name, value, PGC_SUSET, PGC_S_OVERRIDE);
}

/*
 * Whatever a database or role sets for its sessions. When this worker and somebody else wait for
 * each other, it is this one that notices first and gives way.
 */
static void
fix_settings(void)
{
	set("search_path", "pg_catalog, pg_temp");
	set("default_transaction_isolation", "read committed");
	set("default_transaction_read_only", "off");
	set("default_transaction_deferrable", "off");
	set("statement_timeout", "0");
	set("idle_in_transaction_session_timeout", "0");
	set("lock_timeout", "1s");
	set("deadlock_timeout", "10ms");
	set("row_security", "off");
	set("session_replication_role", "origin");
	set("keyring.output_format", "plaintext");
	set("keyring.input_format", "plaintext");
}

void
keyring_job_main(Datum arg)
{
	int slot = DatumGetInt32(arg);
	Oid database;
	int64 id;
	bool more;

	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(database));
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	/* before the connection, so that its locks are gone when the slot is left */
	if (!kr_worker_begin(slot, database))
		proc_exit(0);
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	fix_settings();

	while ((id = take_job(&more)) != 0)
	{
		if (more)
			kr_worker_ask(database);
		kr_reencrypt_run(id);
		give_up(id);
	}
	kr_worker_finished(slot);
	proc_exit(0);
}
