/*
 * src/keys/dek_health.c
 *
 * What the cache tells people: the health of one key, and counts. The lock
 * protocol is in dek_cache.c.
 */
#include "postgres.h"

#include "keys/cache_slots.h"

void
kr_keys_cache_health(KrKeyHealth *out, const KrWrapped *key)
{
	uint8 digest[KR_DIGESTBYTES];
	int index;

	memset(out, 0, sizeof(KrKeyHealth));
	kr_keys_digest(digest, key);
	LWLockAcquire(kr_keys_cache_lock, LW_SHARED);
	index = kr_keys_cache_find(digest);
	if (index >= 0)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[index];

		out->known = slot->since != 0;
		out->cached = slot->state == KR_SLOT_READY;
		out->status = slot->status;
		out->since = slot->since;
		out->verified_at = kr_keys_cache_verified_at(slot);
		strlcpy(out->message, slot->report.message, sizeof(out->message));
	}
	LWLockRelease(kr_keys_cache_lock);
}

void
kr_keys_cache_stats(KrCacheStats *out)
{
	memset(out, 0, sizeof(KrCacheStats));
	out->unwraps = pg_atomic_read_u64(&kr_keys_cache->unwraps);
	out->unwrap_failures = pg_atomic_read_u64(&kr_keys_cache->unwrap_failures);
	out->evictions = pg_atomic_read_u64(&kr_keys_cache->evictions);
	out->slots = kr_keys_cache->nslots;
	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		if (pg_atomic_read_u64(&kr_keys_cache_generations[i]) != 0)
			out->cached++;
	}
}
