/*
 * src/keys/cache_slots.h
 *
 * The layout of the cache, for dek_cache.c and dek_fetch.c only.
 */
#ifndef KR_KEYS_CACHE_SLOTS_H
#define KR_KEYS_CACHE_SLOTS_H

#include "keys/dek_cache.h"
#include "storage/condition_variable.h"
#include "storage/lwlock.h"

typedef enum KrSlotState
{
	KR_SLOT_FREE,
	KR_SLOT_WANTED,   /* a backend waits; set by backends */
	KR_SLOT_FETCHING, /* the worker is at it; set by the worker */
	KR_SLOT_READY,    /* material is valid; set by the worker */
	KR_SLOT_FAILED    /* the last attempt failed; remembered until retry_at */
} KrSlotState;

/* All fields are guarded by the cache's lock unless said otherwise. */
typedef struct KrCacheSlot
{
	KrSlotState state;
	bool discard; /* FETCHING: evicted meanwhile, so the answer must not be kept */
	uint8 digest[KR_DIGESTBYTES];
	KrWrapped key;
	KrSecret material; /* empty unless READY */

	KrStatus status; /* of the last attempt */
	KrKmsReport report;
	TimestampTz since;       /* when status was first seen; 0 = no attempt yet */
	TimestampTz finished_at; /* end of the last attempt */
	int failures;            /* READY: attempts in a row that got no answer */
	TimestampTz retry_at;    /* FAILED, or READY after a failure: not asked again before */

	pg_atomic_uint64 verified_at; /* last successful unwrap, 0 = never; written under the lock, read without */
	pg_atomic_uint64 last_used;   /* no lock */
	pg_atomic_uint32 untouched;   /* no lock: 1 from a fetch until somebody derives from it */
} KrCacheSlot;

typedef struct KrCache
{
	ConditionVariable changed;        /* broadcast when a fetch has ended */
	pg_atomic_uint64 last_generation; /* the highest that was ever given out */
	pg_atomic_uint64 unwraps;
	pg_atomic_uint64 unwrap_failures;
	pg_atomic_uint64 evictions;
	int nslots;
	KrCacheSlot slots[FLEXIBLE_ARRAY_MEMBER];
} KrCache;

extern KrCache *kr_keys_cache;
extern LWLock *kr_keys_cache_lock;

/* Under the lock: the slot of a digest, or -1. */
extern int kr_keys_cache_find(const uint8 digest[KR_DIGESTBYTES]);

static inline TimestampTz
kr_keys_cache_verified_at(KrCacheSlot *slot)
{
	return (TimestampTz) pg_atomic_read_u64(&slot->verified_at);
}

/*
 * Whether a key that was last unwrapped at that time may not be used any more, whatever the worker
 * is busy with: its time is over, or the clock was set back and the time cannot be known.
 */
extern bool kr_keys_cache_overdue(TimestampTz verified_at, TimestampTz now);

/* Under the exclusive lock: makes every reference to the slot invalid and wipes its material. */
extern void kr_keys_cache_invalidate(int index);

/* Under the exclusive lock: invalidates and frees the slot; who waits for it is turned away, now or when the fetch ends. */
extern void kr_keys_cache_empty(int index);

/* Under the exclusive lock: whoever waits for the slot is to look at the key's row again. Broadcast afterwards. */
extern void kr_keys_cache_turn_away(KrCacheSlot *slot);

#endif
