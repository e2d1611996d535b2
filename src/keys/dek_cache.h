/*
 * src/keys/dek_cache.h
 *
 * The unwrapped data keys of the cluster, in shared memory and nowhere else.
 * A backend that misses posts the wrapped key into a slot and waits; the KMS
 * worker unwraps it once for everybody who waits. Nothing is locked while a
 * KMS is asked.
 *
 * A slot's generation says whether what was learned from it still holds: it
 * changes on every eviction, and each use of a key compares it.
 */
#ifndef KR_KEYS_DEK_CACHE_H
#define KR_KEYS_DEK_CACHE_H

#include "datatype/timestamp.h"
#include "keys/wrapped.h"
#include "port/atomics.h"

/* Where a backend found a key. generation 0 is never valid. */
typedef struct KrCacheRef
{
	int slot;
	uint64 generation;
} KrCacheRef;

typedef struct KrCacheStats
{
	uint64 unwraps, unwrap_failures, evictions;
	int slots, cached;
} KrCacheStats;

/* What is known of a key's health. */
typedef struct KrKeyHealth
{
	bool known; /* false: not asked for since the server started */
	bool cached;
	KrStatus status;         /* of the last attempt */
	TimestampTz since;       /* when that status was first seen */
	TimestampTz verified_at; /* last success, 0 = never */
	char message[384];
} KrKeyHealth;

extern pg_atomic_uint64 *kr_keys_cache_generations;

/* Whether what a backend derived from a slot may still be used. The hot path: one read, no lock. */
static inline bool
kr_keys_cache_valid(const KrCacheRef *ref)
{
	return ref->generation != 0 &&
		pg_atomic_read_u64(&kr_keys_cache_generations[ref->slot]) == ref->generation;
}

/* Whether a failure says that the key's owner took it away, rather than that nobody answered. */
extern bool kr_keys_is_refusal(KrStatus status);

/* ---- backends ---- */

/* Finds the key if it is in memory; never waits. */
extern bool kr_keys_cache_lookup(KrCacheRef *ref, const KrWrapped *key);

/*
 * Has the key fetched unless it is there by now; waits, interruptible, at most
 * keyring.kms_timeout and a little. Returns KR_OK and fills ref, or the status of
 * the attempt, with words in report. Where no waiting is allowed (interrupts are
 * held off: under a page lock) it returns KR_NOT_CACHED at once. KR_KMS_ABORTED: the
 * key was evicted meanwhile; look at its row again before asking again.
 */
extern KrStatus kr_keys_cache_acquire(KrCacheRef *ref, const KrWrapped *key, KrKmsReport *report);

/*
 * Calls use() with the slot's material under the lock, shared; false when the slot was
 * evicted meanwhile. use() must neither throw nor take long: it derives a sub-key.
 */
extern bool kr_keys_cache_use(const KrCacheRef *ref, KrStatus (*use)(const KrSecret *material, void *arg),
							  void *arg, KrStatus *status);

/*
 * Keeps the slot from being the one that is evicted when the cache is full. False when the key is not
 * there any more: also when nobody has verified it in time, for the worker may be stuck.
 */
extern bool kr_keys_cache_touch(const KrCacheRef *ref);

extern void kr_keys_cache_health(KrKeyHealth *out, const KrWrapped *key);
extern void kr_keys_cache_stats(KrCacheStats *out);

/* Wipes one key, or all of them, for every backend. */
extern void kr_keys_cache_evict(const uint8 digest[KR_DIGESTBYTES]);
extern void kr_keys_cache_flush(void);

/* ---- the worker ---- */

typedef struct KrCacheWork
{
	int slot;
	uint8 digest[KR_DIGESTBYTES];
	bool recheck; /* the key is cached; this is the unwrap of every keyring.cache_ttl */
	KrWrapped key;
} KrCacheWork;

/* Takes the next thing to unwrap; false when there is none. Fetches and rechecks in turns, so that neither starve. */
extern bool kr_keys_cache_next(KrCacheWork *work);

/*
 * Stores how it went and wakes who waits. material is NULL unless status is KR_OK. After
 * KR_KMS_ABORTED, which says that the worker is ending, the fetch is left to the next worker.
 */
extern void kr_keys_cache_finish(const KrCacheWork *work, KrStatus status, const KrSecret *material,
								 const KrKmsReport *report);

/*
 * A copy of a key that is in memory, for the time that its service gives no answer; false when it is not there, or has
 * to be asked for. failed: it has just been asked for; otherwise only while it is too early to ask again.
 */
extern bool kr_keys_cache_copy(KrSecret *out, const KrWrapped *key, bool failed);

/* Milliseconds until the next recheck is due; -1 when nothing is cached. */
extern long kr_keys_cache_next_due(void);

/* Called as the worker starts: takes over what its predecessor left half done. */
extern void kr_keys_cache_adopt(void);

/* From _PG_init: shared memory. */
extern void kr_keys_cache_init(void);

#endif
