/*
 * src/worker/kms_worker.c
 *
 * "keyring kms": see README.md. The process; what it is at is in task.c.
 */
#include "postgres.h"

#include <signal.h>

#include "keys/dek_cache.h"
#include "keys/kek_health.h"
#include "keys/request.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "worker/look.h"
#include "worker/settings.h"
#include "worker/task.h"
#include "worker/wait.h"
#include "worker/workers.h"

/* Without this process nobody learns of a revocation, so what it unwrapped does not outlive it. */
static void
wipe_cache(int code, Datum arg)
{
	kr_worker_stop_tasks();
	kr_worker_stop_looks();
	kr_keys_cache_flush();
}

static void
reload_if_told(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	kr_worker_load_settings();
}

/* In turns: keys to verify may never run out, nor may requests, and both must go on. */
static void
serve(void)
{
	bool found = true;

	while (found && !kr_worker_stopping())
	{
		kr_keys_worker_beat();
		reload_if_told();
		found = kr_worker_begin_fetch();
		if (!kr_worker_stopping())
			found = kr_worker_begin_request() || found;
		found = kr_worker_step_tasks() || found;

		/* last, and no more than one in a round: somebody waits for all the others */
		if (!kr_worker_stopping())
			found = kr_worker_begin_look() || found;
		found = kr_worker_step_looks() || found;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Of two times to wait, -1 = for ever. */
static long
sooner(long a, long b)
{
	return a < 0 || b < 0 ? Max(a, b) : Min(a, b);
}

static void
wait_for_work(void)
{
	long recheck = kr_worker_has_room() ? kr_keys_cache_next_due() : -1;

	kr_worker_wait(sooner(sooner(recheck, kr_worker_tasks_due()), kr_worker_looks_due()));
	CHECK_FOR_INTERRUPTS();
	reload_if_told();
}

void
keyring_kms_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	kr_worker_load_settings();
	kr_worker_tasks_init();
	before_shmem_exit(wipe_cache, (Datum) 0);
	kr_keys_cache_adopt();
	kr_keys_kek_adopt();
	kr_keys_worker_announce();
	ereport(LOG, (errmsg("keyring kms: ready")));

	while (!ShutdownRequestPending)
	{
		serve();
		if (!ShutdownRequestPending)
			wait_for_work();
	}

	/* any other status would keep the postmaster from starting it again after SIGTERM */
	proc_exit(1);
}
