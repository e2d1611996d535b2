/*
 * src/keys/counters.c
 *
 * Sums for keyring_stats: atomics, so no lock.
 */
#include "postgres.h"

#include "access/xact.h"
#include "keys/counters.h"
#include "pg/shmem.h"
#include "port/atomics.h"

typedef struct KrSharedCounters
{
	pg_atomic_uint64 seals;
	pg_atomic_uint64 opens;
	pg_atomic_uint64 tokens;
} KrSharedCounters;

KrCounters kr_keys_counters;

static KrSharedCounters *shared = NULL;

static void
add(pg_atomic_uint64 *sum, uint64 *count)
{
	if (*count == 0)
		return;
	pg_atomic_fetch_add_u64(sum, (int64) *count);
	*count = 0;
}

static void
flush(XactEvent event, void *arg)
{
	if (shared == NULL)
		return;
	add(&shared->seals, &kr_keys_counters.seals);
	add(&shared->opens, &kr_keys_counters.opens);
	add(&shared->tokens, &kr_keys_counters.tokens);
}

void
kr_keys_counters_read(KrCounters *out)
{
	out->seals = pg_atomic_read_u64(&shared->seals) + kr_keys_counters.seals;
	out->opens = pg_atomic_read_u64(&shared->opens) + kr_keys_counters.opens;
	out->tokens = pg_atomic_read_u64(&shared->tokens) + kr_keys_counters.tokens;
}

static Size
counters_size(void)
{
	return sizeof(KrSharedCounters);
}

static void
start_counters(void *memory, LWLock *lock, bool found)
{
	shared = memory;
	if (found)
		return;
	pg_atomic_init_u64(&shared->seals, 0);
	pg_atomic_init_u64(&shared->opens, 0);
	pg_atomic_init_u64(&shared->tokens, 0);
}

void
kr_keys_counters_init(void)
{
	static const KrShmemPart part = { "keyring counters", counters_size, start_counters, false };

	kr_pg_shmem_add(&part);
	RegisterXactCallback(flush, NULL);
}
