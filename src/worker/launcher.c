/*
 * src/worker/launcher.c
 *
 * "keyring launcher": see README.md. Its memory says which databases are to be looked at; lost with it, that comes
 * back from the look at every database with which the next one begins. Which workers run is on the board.
 */
#include "postgres.h"

#include <signal.h>

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"
#include "worker/board.h"
#include "worker/workers.h"

/* how long after a failure (no free worker, or one that died) the next try comes */
#define KR_RETRY_MS 2000

/* Of the workers that this launcher has started, by their slots on the board. */
static BackgroundWorkerHandle *handles[KR_JOB_WORKERS_MAX];

/* Oids of databases to look at, first come first served; in TopMemoryContext */
static List *wanted = NIL;

/* nothing is started before */
static TimestampTz retry_at = 0;
static bool retry_told = false;

static void
want(Oid database)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	wanted = list_append_unique_oid(wanted, database);
	MemoryContextSwitchTo(old);
}

/* Databases that can be connected to; in the current memory context. */
static List *
databases(void)
{
	MemoryContext caller = CurrentMemoryContext;
	List *result = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext old = MemoryContextSwitchTo(caller);

		/* a limit below -1 marks a database that was dropped half way */
		if (database->datallowconn && database->datconnlimit >= -1)
			result = lappend_oid(result, database->oid);
		MemoryContextSwitchTo(old);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(caller);
	return result;
}

static void
take_requests(void)
{
	Oid database;
	bool everywhere;

	while (kr_worker_take_request(&database, &everywhere))
	{
		ListCell *cell;

		if (!everywhere)
		{
			want(database);
			continue;
		}
		foreach(cell, databases())
			want(lfirst_oid(cell));
	}
}

static void
retry_later(void)
{
	retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), KR_RETRY_MS);
}

/* Whether a worker of this launcher is there, or is still to come. Its handle is dropped if not. */
static bool
is_ours(int slot)
{
	pid_t pid;

	if (handles[slot] == NULL)
		return false;
	if (GetBackgroundWorkerPid(handles[slot], &pid) != BGWH_STOPPED)
		return true;
	pfree(handles[slot]);
	handles[slot] = NULL;
	return false;
}

/* Frees the slots of workers that have ended. One that died before its work was done is replaced. Returns how many there are. */
static int
reap(void)
{
	int count = 0;

	for (int i = 0; i < KR_JOB_WORKERS_MAX; i++)
	{
		Oid database;
		bool ours = is_ours(i);
		KrSlotState state = kr_worker_slot(i, &database);

		if (ours || state == KR_SLOT_WORKING)
			count++;
		else if (state != KR_SLOT_FREE)
		{
			kr_worker_free_slot(i);
			if (state == KR_SLOT_FINISHED)
				continue;
			want(database);
			retry_later();
		}
	}
	return count;
}

static bool
start_worker(Oid database)
{
	BackgroundWorker worker = { 0 };
	MemoryContext old;
	int slot = kr_worker_take_slot(database);
	bool started;

	if (slot < 0)
		return false;
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s", KR_JOB_WORKER);
	snprintf(worker.bgw_type, BGW_MAXLEN, "%s", KR_JOB_WORKER);
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "keyring");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "keyring_job_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = Int32GetDatum(slot);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &database, sizeof(database));
	old = MemoryContextSwitchTo(TopMemoryContext);
	started = RegisterDynamicBackgroundWorker(&worker, &handles[slot]);
	MemoryContextSwitchTo(old);
	if (!started)
	{
		handles[slot] = NULL;
		kr_worker_free_slot(slot);
	}
	return started;
}

static void
tell_once(void)
{
	if (!retry_told)
		ereport(LOG,
				(errmsg("keyring could not start a worker for re-encryption: every place is taken"),
				 errhint("Raise max_worker_processes, or lower keyring.reencrypt_workers.")));
	retry_told = true;
}

static void
start_wanted(void)
{
	List *existing;
	int count = reap();

	if (wanted == NIL || GetCurrentTimestamp() < retry_at)
		return;
	existing = databases();
	while (wanted != NIL && count < kr_guc_reencrypt_workers)
	{
		Oid database = linitial_oid(wanted);

		if (list_member_oid(existing, database))
		{
			if (!start_worker(database))
			{
				tell_once();
				retry_later();
				break;
			}
			retry_told = false;
			count++;
		}
		wanted = list_delete_first(wanted);
	}
	list_free(existing);
}

static void
wait_for_work(void)
{
	TimestampTz now = GetCurrentTimestamp();
	long timeout = -1;

	if (wanted != NIL && now < retry_at)
		timeout = TimestampDifferenceMilliseconds(now, retry_at) + 1;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH | (timeout >= 0 ? WL_TIMEOUT : 0), timeout,
					 kr_pg_wait_event("KeyringLauncherMain"));
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
}

void
keyring_launcher_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	/* shared catalogs only: this is how it finds the databases */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	kr_worker_announce_launcher();

	while (!ShutdownRequestPending)
	{
		take_requests();
		start_wanted();
		wait_for_work();
	}
	proc_exit(1);
}
