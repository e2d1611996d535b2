/*
 * src/pg/shmem.c
 *
 * Sums the parts of shared memory and starts them in the postmaster. Everything
 * here runs before any other process exists, or again after a crash when none
 * is left; no lock of ours is involved, AddinShmemInitLock is PostgreSQL's rule.
 */
#include "postgres.h"

#include <sys/mman.h>
#include <unistd.h>

#include "miscadmin.h"
#include "pg/shmem.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#define KR_SHMEM_PARTS 8

bool kr_pg_memory_locked = false;

static const KrShmemPart *parts[KR_SHMEM_PARTS];
static int nparts = 0;

static void *secret_memory[KR_SHMEM_PARTS];
static Size secret_size[KR_SHMEM_PARTS];
static int nsecrets = 0;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

void
kr_pg_shmem_add(const KrShmemPart *part)
{
	if (nparts == KR_SHMEM_PARTS)
		elog(ERROR, "too many parts of shared memory");
	parts[nparts++] = part;
}

static Size
page_size(void)
{
	return (Size) sysconf(_SC_PAGESIZE);
}

/* A part is rounded up to whole pages and has one page more, to be aligned in. */
static Size
padded_size(const KrShmemPart *part)
{
	return add_size(TYPEALIGN(page_size(), part->size()), page_size());
}

static void
request_shmem(void)
{
	if (previous_request_hook)
		previous_request_hook();

	for (int i = 0; i < nparts; i++)
		RequestAddinShmemSpace(padded_size(parts[i]));
	RequestNamedLWLockTranche("keyring", nparts);
}

/* The compiler may not drop this, unlike a memset of memory that is about to go away. */
static void
wipe_secrets(int code, Datum arg)
{
	for (int i = 0; i < nsecrets; i++)
		explicit_bzero(secret_memory[i], secret_size[i]);
}

/* Neither call failing is a reason not to start: containers often allow no locked memory. */
static void
protect(void *memory, Size size)
{
#ifdef MADV_DONTDUMP
	if (madvise(memory, size, MADV_DONTDUMP) != 0)
		ereport(WARNING,
				(errmsg("could not keep keyring's keys out of core dumps: %m"),
				 errhint("Turn core dumps off (ulimit -c 0), or set huge_pages = off.")));
#endif
	kr_pg_memory_locked = mlock(memory, size) == 0;
	if (!kr_pg_memory_locked)
		ereport(LOG,
				(errmsg("could not lock keyring's keys into memory: %m"),
				 errhint("Raise the limit on locked memory (ulimit -l, LimitMEMLOCK) or turn swap off.")));
}

static void
start_shmem(void)
{
	LWLockPadded *locks;

	if (previous_startup_hook)
		previous_startup_hook();

	nsecrets = 0;
	locks = GetNamedLWLockTranche("keyring");
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (int i = 0; i < nparts; i++)
	{
		bool found;
		Size size = TYPEALIGN(page_size(), parts[i]->size());
		void *memory = ShmemInitStruct(parts[i]->name, padded_size(parts[i]), &found);

		memory = (void *) TYPEALIGN(page_size(), (uintptr_t) memory);
		if (!found)
			memset(memory, 0, size);
		if (parts[i]->secret && !IsUnderPostmaster)
		{
			protect(memory, size);
			secret_memory[nsecrets] = memory;
			secret_size[nsecrets++] = size;
		}
		parts[i]->start(memory, &locks[i].lock, found);
	}
	LWLockRelease(AddinShmemInitLock);

	if (!IsUnderPostmaster)
		on_shmem_exit(wipe_secrets, (Datum) 0);
}

void
kr_pg_shmem_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shmem;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = start_shmem;
}
