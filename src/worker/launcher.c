/*
 * src/worker/launcher.c
 *
 * "keyring launcher": see README.md. Its memory says which databases are to be looked at and
 * which workers run; lost with it, both come back from the look at every database with which the
 * next one begins.
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

/* A job worker that was started. */
typedef struct KrRunning
{
	BackgroundWorkerHandle *handle; /* NULL: the slot is free */
	Oid database;
} KrRunning;

static KrRunning running[KR_JOB_WORKERS_MAX];

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

/* Frees the slots of workers that have ended. One that died before its work was done is replaced. */
static int
reap(void)
{
	int count = 0;

	for (int i = 0; i < KR_JOB_WORKERS_MAX; i++)
	{
		pid_t pid;

		if (running[i].handle == NULL)
			continue;
		if (GetBackgroundWorkerPid(running[i].handle, &pid) != BGWH_STOPPED)
		{
			count++;
			continue;
		}
		if (!kr_worker_slot_finished(i))
		{
			want(running[i].database);
			retry_later();
		}
		pfree(running[i].handle);
		running[i].handle = NULL;
	}
	return count;
}

static bool
start_worker(Oid database)
{
	BackgroundWorker worker = { 0 };
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	int slot = 0;
	bool started;

	while (running[slot].handle != NULL)
		slot++;
	kr_worker_begin_slot(slot);
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
	started = RegisterDynamicBackgroundWorker(&worker, &running[slot].handle);
	if (started)
		running[slot].database = database;
	else
		running[slot].handle = NULL;
	MemoryContextSwitchTo(old);
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
