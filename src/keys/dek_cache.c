/*
 * src/keys/dek_cache.c
 *
 * The slots and how backends use them; dek_fetch.c is the worker's side.
 *
 * Lock protocol: the cache's LWLock guards every field of a slot but three.
 * Shared to find a slot and to derive from its material, exclusive to change
 * one. generations[] and verified_at are written under the exclusive lock and read without any;
 * last_used and untouched are written by anybody, their precision does not matter. The lock is
 * never held while a process waits or calls out, and nothing under it can throw.
 */
#include "postgres.h"

#include "keys/cache_slots.h"
#include "keys/request.h"
#include "miscadmin.h"
#include "pg/compat.h"
#include "pg/guc.h"
#include "pg/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* naps between looks */
#define KR_NAP_MS 500

/* a fetched key is safe from eviction for so long, or until it was used */
#define KR_FIRST_USE_MS 1000

KrCache *kr_keys_cache = NULL;
LWLock *kr_keys_cache_lock = NULL;
pg_atomic_uint64 *kr_keys_cache_generations = NULL;

void
kr_keys_digest(uint8 out[KR_DIGESTBYTES], const KrWrapped *key)
{
	/* strings are padded with zeros, see the struct's filler in store.c */
	if (kr_crypto_sha256(out, (const uint8 *) key, offsetof(KrWrapped, wrap) + key->wrap_len) != KR_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a digest: OpenSSL reported a failure")));
}

int
kr_keys_cache_find(const uint8 digest[KR_DIGESTBYTES])
{
	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[i];

		if (slot->state != KR_SLOT_FREE && memcmp(slot->digest, digest, KR_DIGESTBYTES) == 0)
			return i;
	}
	return -1;
}

bool
kr_keys_cache_overdue(TimestampTz verified_at, TimestampTz now)
{
	int64 ms = ((int64) kr_guc_cache_ttl + kr_guc_cache_grace) * 1000 + kr_guc_kms_timeout +
		kr_guc_kms_connect_timeout;

	return now < verified_at || now > TimestampTzPlusMilliseconds(verified_at, ms);
}

void
kr_keys_cache_invalidate(int index)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[index];

	pg_atomic_write_u64(&kr_keys_cache_generations[index], 0);
	pg_write_barrier();
	kr_crypto_secret_wipe(&slot->material);
}

/*
 * With more keys in use than slots, whoever waits for one would evict another's before that was
 * used even once, and all would fetch for ever. A session that has gone away does not come to use it.
 */
static bool
awaits_first_use(KrCacheSlot *slot, TimestampTz now)
{
	return slot->state == KR_SLOT_READY && pg_atomic_read_u32(&slot->untouched) != 0 &&
		!TimestampDifferenceExceeds(kr_keys_cache_verified_at(slot), now, KR_FIRST_USE_MS);
}

/* Free slots first, then remembered failures, then the key that was not used for the longest time. */
static int
choose_victim(TimestampTz now)
{
	int best = -1;
	int best_rank = 0;
	uint64 best_used = 0;

	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		KrCacheSlot *slot = &kr_keys_cache->slots[i];
		uint64 used = pg_atomic_read_u64(&slot->last_used);
		int rank;

		if (slot->state == KR_SLOT_WANTED || slot->state == KR_SLOT_FETCHING || awaits_first_use(slot, now))
			continue;
		rank = slot->state == KR_SLOT_FREE ? 3 : slot->state == KR_SLOT_FAILED ? 2 :
																				 1;
		if (rank > best_rank || (rank == best_rank && used < best_used))
		{
			best = i;
			best_rank = rank;
			best_used = used;
		}
	}
	return best;
}

static bool
is_overdue(KrCacheSlot *slot, TimestampTz now)
{
	return slot->state == KR_SLOT_READY && kr_keys_cache_overdue(kr_keys_cache_verified_at(slot), now);
}

/*
 * Under the exclusive lock: the slot to wait on, or -1 when every slot is busy. A failure
 * that came while we waited, since start, is our answer, however late we look at it: a crowd
 * on a busy machine would otherwise repeat what it should only hear.
 */
static int
post_fetch(const KrWrapped *key, const uint8 digest[KR_DIGESTBYTES], TimestampTz start, TimestampTz now)
{
	int index = kr_keys_cache_find(digest);
	KrCacheSlot *slot;

	if (index < 0)
	{
		index = choose_victim(now);
		if (index < 0)
			return -1;
		slot = &kr_keys_cache->slots[index];
		if (slot->state == KR_SLOT_READY)
			pg_atomic_fetch_add_u64(&kr_keys_cache->evictions, 1);
		kr_keys_cache_invalidate(index);
		memcpy(slot->digest, digest, KR_DIGESTBYTES);
		slot->key = *key;
		slot->since = 0;
		slot->failures = 0;
		slot->discard = false;
		pg_atomic_write_u64(&slot->verified_at, 0);
		slot->state = KR_SLOT_FREE;
	}

	slot = &kr_keys_cache->slots[index];
	if (is_overdue(slot, now))
		kr_keys_cache_empty(index);
	if (slot->state == KR_SLOT_FREE ||
		(slot->state == KR_SLOT_FAILED && now >= slot->retry_at && slot->finished_at < start))
		slot->state = KR_SLOT_WANTED;
	pg_atomic_write_u64(&slot->last_used, (uint64) now);
	return index;
}

/* True when the slot has an answer for us; then *status tells which. */
static bool
read_answer(int index, const uint8 digest[KR_DIGESTBYTES], KrCacheRef *ref,
			KrStatus *status, KrKmsReport *report)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[index];

	if (memcmp(slot->digest, digest, KR_DIGESTBYTES) != 0)
		return false;
	if (slot->state == KR_SLOT_READY)
	{
		ref->slot = index;
		ref->generation = pg_atomic_read_u64(&kr_keys_cache_generations[index]);
		*status = KR_OK;
		return true;
	}
	if (slot->state == KR_SLOT_FAILED)
	{
		*status = slot->status;
		*report = slot->report;
		return true;
	}
	return false;
}

/* One look without waiting. start: when the wait began. */
static bool
look(const KrWrapped *key, const uint8 digest[KR_DIGESTBYTES], TimestampTz start, KrCacheRef *ref,
	 KrStatus *status, KrKmsReport *report)
{
	int index;
	bool answered;

	/* the time is asked for under the lock, or a slot that is filled just now would be from the future */
	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	index = post_fetch(key, digest, start, GetCurrentTimestamp());
	answered = index >= 0 && read_answer(index, digest, ref, status, report);
	LWLockRelease(kr_keys_cache_lock);
	return answered;
}

bool
kr_keys_cache_lookup(KrCacheRef *ref, const KrWrapped *key)
{
	uint8 digest[KR_DIGESTBYTES];
	KrKmsReport unused;
	KrStatus status = KR_KMS_UNAVAILABLE;
	TimestampTz now;
	bool found;
	int index;

	kr_keys_digest(digest, key);
	LWLockAcquire(kr_keys_cache_lock, LW_SHARED);
	now = GetCurrentTimestamp();
	index = kr_keys_cache_find(digest);
	found = index >= 0 && !is_overdue(&kr_keys_cache->slots[index], now) &&
		read_answer(index, digest, ref, &status, &unused) && status == KR_OK;

	/* already now: a session may live for one statement, and a key that only such use is in use */
	if (found)
		pg_atomic_write_u64(&kr_keys_cache->slots[index].last_used, (uint64) now);
	LWLockRelease(kr_keys_cache_lock);
	return found;
}

static KrStatus
wait_for_worker(KrCacheRef *ref, const KrWrapped *key, const uint8 digest[KR_DIGESTBYTES],
				KrKmsReport *report)
{
	long patience = kr_guc_kms_timeout + kr_guc_kms_connect_timeout + 1000;
	TimestampTz start = GetCurrentTimestamp();
	TimestampTz last_seen = start;
	uint32 event = kr_pg_wait_event("KeyringKey");
	KrStatus status = KR_KMS_UNAVAILABLE;

	for (;;)
	{
		TimestampTz now;

		/* prepared before the look, so that an answer that comes in between is not missed */
		ConditionVariablePrepareToSleep(&kr_keys_cache->changed);
		if (look(key, digest, start, ref, &status, report))
			break;

		now = GetCurrentTimestamp();
		if (kr_keys_wake_worker())
			last_seen = now;
		if (TimestampDifferenceExceeds(start, now, patience) ||
			TimestampDifferenceExceeds(last_seen, now, KR_WORKER_PATIENCE_MS))
		{
			status = kr_keys_no_answer(report);
			break;
		}
		ConditionVariableTimedSleep(&kr_keys_cache->changed, KR_NAP_MS, event);
	}
	ConditionVariableCancelSleep();
	return status;
}

KrStatus
kr_keys_cache_acquire(KrCacheRef *ref, const KrWrapped *key, KrKmsReport *report)
{
	uint8 digest[KR_DIGESTBYTES];

	memset(report, 0, sizeof(KrKmsReport));
	kr_keys_digest(digest, key);
	if (InterruptHoldoffCount > 0 || CritSectionCount > 0)
		return KR_NOT_CACHED;
	return wait_for_worker(ref, key, digest, report);
}

bool
kr_keys_cache_use(const KrCacheRef *ref, KrStatus (*use)(const KrSecret *material, void *arg),
				  void *arg, KrStatus *status)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[ref->slot];
	bool valid;
	bool first = false;

	LWLockAcquire(kr_keys_cache_lock, LW_SHARED);
	valid = kr_keys_cache_valid(ref);
	if (valid)
	{
		*status = use(&slot->material, arg);
		first = pg_atomic_read_u32(&slot->untouched) != 0 && pg_atomic_exchange_u32(&slot->untouched, 0) != 0;
	}
	LWLockRelease(kr_keys_cache_lock);

	/* somebody may be waiting for a slot that can be evicted */
	if (first)
		ConditionVariableBroadcast(&kr_keys_cache->changed);
	return valid;
}

/* The worker may have verified the key this very moment, so what seemed overdue is looked at again under the lock. */
static void
empty_overdue(const KrCacheRef *ref)
{
	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	if (kr_keys_cache_valid(ref) &&
		is_overdue(&kr_keys_cache->slots[ref->slot], GetCurrentTimestamp()))
		kr_keys_cache_empty(ref->slot);
	LWLockRelease(kr_keys_cache_lock);
}

bool
kr_keys_cache_touch(const KrCacheRef *ref)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[ref->slot];

	/* read before the clock is: a verification in between must not look like a clock that was set back */
	TimestampTz verified_at = kr_keys_cache_verified_at(slot);
	TimestampTz now;

	pg_read_barrier();
	now = GetCurrentTimestamp();
	pg_atomic_write_u64(&slot->last_used, (uint64) now);
	if (kr_keys_cache_overdue(verified_at, now))
		empty_overdue(ref);
	return kr_keys_cache_valid(ref);
}

void
kr_keys_cache_evict(const uint8 digest[KR_DIGESTBYTES])
{
	int index;

	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	index = kr_keys_cache_find(digest);
	if (index >= 0)
		kr_keys_cache_empty(index);
	LWLockRelease(kr_keys_cache_lock);
	ConditionVariableBroadcast(&kr_keys_cache->changed);
}

void
kr_keys_cache_flush(void)
{
	LWLockAcquire(kr_keys_cache_lock, LW_EXCLUSIVE);
	for (int i = 0; i < kr_keys_cache->nslots; i++)
		kr_keys_cache_empty(i);
	LWLockRelease(kr_keys_cache_lock);
	ConditionVariableBroadcast(&kr_keys_cache->changed);
}

void
kr_keys_cache_turn_away(KrCacheSlot *slot)
{
	slot->state = KR_SLOT_FAILED;
	slot->status = KR_KMS_ABORTED;
	memset(&slot->report, 0, sizeof(slot->report));
	slot->since = 0;
	slot->finished_at = GetCurrentTimestamp();
	slot->retry_at = 0;
	slot->discard = false;
}

void
kr_keys_cache_empty(int index)
{
	KrCacheSlot *slot = &kr_keys_cache->slots[index];

	kr_keys_cache_invalidate(index);
	switch (slot->state)
	{
		case KR_SLOT_FREE:
			break;
		case KR_SLOT_WANTED:
			kr_keys_cache_turn_away(slot);
			break;
		case KR_SLOT_FETCHING:
			slot->discard = true;
			break;
		case KR_SLOT_READY:
			pg_atomic_fetch_add_u64(&kr_keys_cache->evictions, 1);
			slot->state = KR_SLOT_FREE;
			break;
		case KR_SLOT_FAILED:
			slot->state = KR_SLOT_FREE;
			break;
	}
}

static Size
slots_size(void)
{
	return add_size(offsetof(KrCache, slots), mul_size(kr_guc_max_cached_keys, sizeof(KrCacheSlot)));
}

static void
start_slots(void *memory, LWLock *lock, bool found)
{
	kr_keys_cache = memory;
	kr_keys_cache_lock = lock;
	if (found)
		return;

	kr_keys_cache->nslots = kr_guc_max_cached_keys;
	ConditionVariableInit(&kr_keys_cache->changed);
	pg_atomic_init_u64(&kr_keys_cache->last_generation, 0);
	pg_atomic_init_u64(&kr_keys_cache->unwraps, 0);
	pg_atomic_init_u64(&kr_keys_cache->unwrap_failures, 0);
	pg_atomic_init_u64(&kr_keys_cache->evictions, 0);
	for (int i = 0; i < kr_keys_cache->nslots; i++)
	{
		pg_atomic_init_u64(&kr_keys_cache->slots[i].verified_at, 0);
		pg_atomic_init_u64(&kr_keys_cache->slots[i].last_used, 0);
		pg_atomic_init_u32(&kr_keys_cache->slots[i].untouched, 0);
	}
}

static Size
generations_size(void)
{
	return mul_size(kr_guc_max_cached_keys, sizeof(pg_atomic_uint64));
}

static void
start_generations(void *memory, LWLock *lock, bool found)
{
	kr_keys_cache_generations = memory;
	for (int i = 0; !found && i < kr_guc_max_cached_keys; i++)
		pg_atomic_init_u64(&kr_keys_cache_generations[i], 0);
}

void
kr_keys_cache_init(void)
{
	static const KrShmemPart slots = { "keyring keys", slots_size, start_slots, true };
	static const KrShmemPart generations = { "keyring generations", generations_size, start_generations, false };

	kr_pg_shmem_add(&slots);
	kr_pg_shmem_add(&generations);
}
