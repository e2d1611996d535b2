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
	/* without shared memory and workers there is nothing that keyring could do */
	if (!process_shared_preload_libraries_in_progress)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("keyring is not preloaded"),
				 errhint("Add keyring to shared_preload_libraries and restart the server.")));

	kr_pg_guc_init();
	kr_keys_init();
	kr_types_init();
	kr_search_init();
	kr_worker_init();
	kr_pg_shmem_init();
}
