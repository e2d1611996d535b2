/*
 * src/keys/dek_fetch.c
 *
 * The worker's side of the cache: what to unwrap next, and what an answer does.
 * The lock protocol is in dek_cache.c. There is one worker, which is at many slots at once;
 * those that it unwraps again stay READY meanwhile, and only the worker knows which they are.
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "keys/cache_slots.h"
#include "pg/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* a failure is remembered so long that a crowd of backends does not repeat it, and no longer */
#define KR_FAILURE_MEMORY_MS 2000

/* a key that nobody has used for so long, or for keyring.cache_ttl, is not verified any more but forgotten */
#define KR_UNUSED_MS 600000

/* while a KMS does not answer, ask again after so long, then twice as long each time */
#define KR_RECHECK_RETRY_MS 5000
#define KR_THROTTLED_RETRY_MS 10000
#define KR_RECHECK_RETRY_MAX_MS 60000

/* per slot, the worker's own: whether it is being unwrapped again at the moment */
static bool *rechecking = NULL;

/* READY slots: when to unwrap again. Derived, so that a changed keyring.cache_ttl counts at once. */
static TimestampTz
due_at(KrCacheSlot *slot)
{
	TimestampTz due = TimestampTzPlusMilliseconds(kr_keys_cache_verified_at(slot), (int64) kr_guc_cache_ttl * 1000);

	return Max(due, slot->retry_at);
}

static bool
is_unused(KrCacheSlot *slot, TimestampTz now)
{
	return TimestampDifferenceExceeds((TimestampTz) pg_atomic_read_u64(&slot->last_used), now,
									  Max(kr_guc_cache_ttl * 1000, KR_UNUSED_MS));
}

/*
 * Keys whose time is over go without anybody being asked, however long the queue is, and so do those that nobody
 * uses, when they are due: one may have been destroyed where no eviction reaches this server's memory. Whoever
 * waits for a slot finds it at its next look.
 */
static void
drop_expired(TimestampTz now)
{
	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[i];

		if (slot->state == KR_SLOT_READY &&
			(kr_keys_cache_overdue(kr_keys_cache_verified_at(slot), now) ||
			 (now >= due_at(slot) && is_unused(slot, now))))
			kr_keys_cache_empty(i);
	}
}

/* In turns: fetches that fail slowly come back, and would keep the worker from the slots behind them. */
static int
next_wanted(void)
{
	static int last = 0;

	for (int i = 1; i <= kr_keys_cache->nslots; i++)
	{
		int index = (last + i) % kr_keys_cache->nslots;

		if (kr_keys_cache->slots[index].state == KR_SLOT_WANTED)
			return last = index;
	}
	return -1;
}

/* What waits longest; -1 when nothing is due. */
static int
first_due(TimestampTz now)
{
	int first = -1;

	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[i];

		if (slot->state == KR_SLOT_READY && !rechecking[i] && now >= due_at(slot) &&
			(first < 0 || due_at(slot) < due_at(&kr_keys_cache->slots[first])))
			first = i;
	}
	return first;
}

static void
take(KrCacheWork *work, int index)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[index];

	work->slot = index;
	work->recheck = slot->state == KR_SLOT_READY;
	work->key = slot->key;
	memcpy(work->digest, slot->digest, KR_DIGESTBYTES);
	if (!work->recheck)
		slot->state = KR_SLOT_FETCHING;
	rechecking[index] = rechecking[index] || work->recheck;
}

bool
kr_keys_cache_next(KrCacheWork *work)
{
	static bool fetched_last = false;
	TimestampTz now = GetCurrentTimestamp();
	int index;

	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	drop_expired(now);
	index = fetched_last ? first_due(now) : next_wanted();
	if (index < 0)
		index = fetched_last ? next_wanted() : first_due(now);
	if (index >= 0)
	{
		take(work, index);
		fetched_last = !work->recheck;
	}
	LWLockRelease(kr_keys_cache_lock);
	return index >= 0;
}

bool
kr_keys_is_refusal(KrStatus status)
{
	switch (status)
	{
		case KR_KMS_DENIED:
		case KR_KMS_DISABLED:
		case KR_KMS_DESTROY_SCHEDULED:
		case KR_KMS_DESTROYED:
		case KR_KMS_NOT_FOUND:
		case KR_KMS_BAD_CIPHERTEXT:
			return true;
		default:
			return false;
	}
}

static void
store_success(KrCacheSlot *slot, int index, const KrSecret *material, TimestampTz now)
{
	pg_atomic_write_u64(&slot->verified_at, (uint64) now);
	slot->retry_at = 0;
	slot->failures = 0;
	if (slot->state == KR_SLOT_READY && kr_crypto_secret_equal(&slot->material, material))
		return;

	slot->material = *material;
	slot->state = KR_SLOT_READY;
	pg_atomic_write_u32(&slot->untouched, 1);
	pg_write_barrier();
	pg_atomic_write_u64(&kr_keys_cache_generations[index],
						pg_atomic_add_fetch_u64(&kr_keys_cache->last_generation, 1));
}

/*
 * Half of it is left to chance, so that servers which lost their KMS together do not come back together. What the
 * service asks for counts more, since the quota that it guards is also for the keys that still work.
 */
static int64
wait_before_recheck(const KrCacheSlot *slot, KrStatus status)
{
	int64 ms = status == KR_KMS_THROTTLED ? KR_THROTTLED_RETRY_MS : KR_RECHECK_RETRY_MS;

	ms = Min(ms << Min(slot->failures, 8), KR_RECHECK_RETRY_MAX_MS);
	ms -= (int64) ((double) ms * 0.5 * pg_prng_double(&pg_global_prng_state));
	return Max(ms, (int64) slot->report.retry_after * 1000);
}

static int64
failure_memory(const KrCacheSlot *slot)
{
	return Max(KR_FAILURE_MEMORY_MS, Min((int64) slot->report.retry_after * 1000, KR_RECHECK_RETRY_MAX_MS));
}

static void
store_failure(KrCacheSlot *slot, int index, KrStatus status, TimestampTz now)
{
	TimestampTz end_of_grace = TimestampTzPlusMilliseconds(kr_keys_cache_verified_at(slot),
														   (int64) kr_guc_cache_grace * 1000);

	if (slot->state == KR_SLOT_READY && !kr_keys_is_refusal(status) && now < end_of_grace)
	{
		/* the last attempt is when grace ends, so that it lasts no longer than was promised */
		slot->retry_at = Min(TimestampTzPlusMilliseconds(now, wait_before_recheck(slot, status)), end_of_grace);
		slot->failures++;
		return;
	}
	if (slot->state == KR_SLOT_READY)
		pg_atomic_fetch_add_u64(&kr_keys_cache->evictions, 1);
	kr_keys_cache_invalidate(index);
	slot->state = KR_SLOT_FAILED;
	slot->retry_at = TimestampTzPlusMilliseconds(now, failure_memory(slot));
}

static void
store(KrCacheSlot *slot, int index, KrStatus status, const KrSecret *material, const KrKmsReport *report)
{
	TimestampTz now = GetCurrentTimestamp();

	if (slot->since == 0 || slot->status != status)
		slot->since = now;
	slot->status = status;
	slot->finished_at = now;
	slot->report = *report;

	/* every reader gets to see a slot's report */
	slot->report.complaint[0] = '\0';
	if (status == KR_OK)
		store_success(slot, index, material, now);
	else
		store_failure(slot, index, status, now);
}

/* Under the exclusive lock: what a worker has left FETCHING is for the next one. */
static void
hand_over(KrCacheSlot *slot)
{
	if (slot->state != KR_SLOT_FETCHING)
		return;
	if (slot->discard)
		kr_keys_cache_turn_away(slot);
	else
		slot->state = KR_SLOT_WANTED;
}

/* This worker is ending: that is no answer, the next one has to ask. */
static void
give_back(const KrCacheWork *work)
{
	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	if (!work->recheck)
		hand_over(&kr_keys_cache->slots[work->slot]);
	LWLockRelease(kr_keys_cache_lock);
}

void
kr_keys_cache_finish(const KrCacheWork *work, KrStatus status, const KrSecret *material,
					 const KrKmsReport *report)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[work->slot];

	if (work->recheck)
		rechecking[work->slot] = false;
	if (status == KR_KMS_ABORTED)
	{
		give_back(work);
		return;
	}
	pg_atomic_fetch_add_u64(&kr_keys_cache->unwraps, 1);
	if (status != KR_OK)
		pg_atomic_fetch_add_u64(&kr_keys_cache->unwrap_failures, 1);

	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);

	/* a key that was flushed during its recheck stays flushed */
	if (memcmp(slot->digest, work->digest, KR_DIGESTBYTES) == 0 &&
		slot->state == (work->recheck ? KR_SLOT_READY : KR_SLOT_FETCHING))
	{
		if (slot->discard)
			kr_keys_cache_turn_away(slot);
		else
			store(slot, work->slot, status, material, report);
	}
	LWLockRelease(kr_keys_cache_lock);
	ConditionVariableBroadcast(&kr_keys_cache->changed);
}

bool
kr_keys_cache_copy(KrSecret *out, const KrWrapped *key, bool failed)
{
	TimestampTz now = GetCurrentTimestamp();
	uint8 digest[KR_DIGESTBYTES];
	bool found = false;
	int index;

	kr_keys_digest(digest, key);
	LWLockAcquire(kr_keys_cache_lock, LW_SHARED);
	index = kr_keys_cache_find(digest);
	if (index >= 0)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[index];

		found = slot->state == KR_SLOT_READY && (failed || now < slot->retry_at) &&
			!kr_keys_cache_overdue(kr_keys_cache_verified_at(slot), now);
		if (found)
			*out = slot->material;
	}
	LWLockRelease(kr_keys_cache_lock);
	return found;
}

long
kr_keys_cache_next_due(void)
{
	TimestampTz first = 0;

	LWLockAcquire(kr_keys_cache_lock, LW_SHARED);
	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[i];

		if (slot->state == KR_SLOT_READY && !rechecking[i] && (first == 0 || due_at(slot) < first))
			first = due_at(slot);
	}
	LWLockRelease(kr_keys_cache_lock);
	if (first == 0)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(), first);
}

void
kr_keys_cache_adopt(void)
{
	rechecking = MemoryContextAllocZero(TopMemoryContext, sizeof(bool) * kr_keys_cache->nslots);
	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		hand_over(&kr_keys_cache->slots[i]);
	}
	LWLockRelease(kr_keys_cache_lock);
}
