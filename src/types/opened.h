/*
 * src/types/opened.h
 *
 * The opened values of one sort. A key of 28 bits stands for a value. Where it is
 * asked for, each distinct value is kept once, so that equal values have equal keys:
 * some callers of tuplesort rely on that (DISTINCT aggregates skip their equality
 * function where abbreviated keys differ).
 *
 * Values lie in segments; a key is a segment's number and a place in it, so that a
 * comparison finds a value with one access to memory that is not in the cache.
 */
#ifndef KR_TYPES_OPENED_H
#define KR_TYPES_OPENED_H

#include "types/basetype.h"

#define KR_OPENED_KEYBITS 28

/* Set in the key of a value that was not kept: the rest is a part of its hash. */
#define KR_OPENED_NOT_KEPT (UINT32_C(1) << (KR_OPENED_KEYBITS - 1))

/* A place is counted in units of 8 bytes: segments of at most 256 kB, 1 GB in all. */
#define KR_OPENED_UNIT 8
#define KR_OPENED_PLACEBITS 15
#define KR_OPENED_PLACES (UINT32_C(1) << KR_OPENED_PLACEBITS)
#define KR_OPENED_SEGMENTS (KR_OPENED_NOT_KEPT >> KR_OPENED_PLACEBITS)

typedef struct KrOpened
{
	const KrBaseType *base;
	MemoryContext context; /* everything below */
	MemoryContext scratch; /* where to open a value that is to be added */
	bool distinct;         /* equal values have equal keys */
	char **segments;
	uint32 *ends; /* units used of each segment before the last */
	uint32 nsegments;
	uint32 used;   /* units of the last segment */
	uint32 room;   /* units that it has */
	uint32 *slots; /* only if distinct */
	uint32 nslots; /* a power of two */
	uint32 nvalues;
} KrOpened;

/* In memory contexts of its own below parent, wiped before they are freed. */
extern KrOpened *kr_types_opened_new(const KrBaseType *base, MemoryContext parent, bool distinct);
extern void kr_types_opened_free(KrOpened *opened);

/* Copies a value and returns its key. */
extern uint32 kr_types_opened_add(KrOpened *opened, Datum plain);

/* Forgets all values: their keys must not be used again. */
extern void kr_types_opened_reset(KrOpened *opened);

/* Memory taken, in bytes. */
extern Size kr_types_opened_size(const KrOpened *opened);

/* The value with this key, or false for one that was not kept. */
static inline bool
kr_types_opened_get(Datum *out, const KrOpened *opened, uint32 key)
{
	uint32 segment = key >> KR_OPENED_PLACEBITS;
	char *place;

	if (unlikely(segment >= opened->nsegments))
		return false;
	place = opened->segments[segment] + (Size) (key & (KR_OPENED_PLACES - 1)) * KR_OPENED_UNIT;
	*out = opened->base->by_value ? *(Datum *) place : PointerGetDatum(place);
	return true;
}

#endif
