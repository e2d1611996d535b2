/*
 * src/keyring.c
 *
 * Module entry: each room's init, in the order of the layers, and nothing else.
 */
#include "postgres.h"

#include "fmgr.h"
#include "keys/init.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/shmem.h"
#include "search/init.h"
#include "types/init.h"
#include "worker/init.h"

PG_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	/* loaded by a function call into a server that did not preload it: no shared memory, no worker, no key */
	if (!process_shared_preload_libraries_in_progress)
		return;

	kr_pg_guc_init();
	kr_keys_init();
	kr_types_init();
	kr_search_init();
	kr_worker_init();
	kr_pg_shmem_init();
}
