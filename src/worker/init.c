/*
 * src/worker/init.c
 *
 * Registers the workers that live as long as the server, and the board of the launcher.
 */
#include "postgres.h"

#include "pg/compat.h"
#include "postmaster/bgworker.h"
#include "worker/board.h"
#include "worker/init.h"
#include "worker/workers.h"

/* after a crash a worker is back this soon */
#define KR_RESTART_SECONDS 1

static void
register_worker(const char *name, const char *function, int flags, BgWorkerStartTime start)
{
	BackgroundWorker worker = { 0 };

	snprintf(worker.bgw_name, BGW_MAXLEN, "%s", name);
	snprintf(worker.bgw_type, BGW_MAXLEN, "%s", name);
	snprintf(worker.bgw_library_name, sizeof(worker.bgw_library_name), "keyring");
	snprintf(worker.bgw_function_name, sizeof(worker.bgw_function_name), "%s", function);
	worker.bgw_flags = flags;
	worker.bgw_start_time = start;
	worker.bgw_restart_time = KR_RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

void
kr_worker_init(void)
{
	kr_worker_board_init();

	/* standbys open values too, so the first runs there as well */
	register_worker(KR_KMS_WORKER, "keyring_kms_main", BGWORKER_SHMEM_ACCESS,
					BgWorkerStart_ConsistentState);
	register_worker(KR_LAUNCHER, "keyring_launcher_main",
					BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
					BgWorkerStart_RecoveryFinished);
}
