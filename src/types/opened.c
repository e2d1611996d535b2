/*
 * src/types/opened.c
 *
 * Segments of values, and an open-addressed hash table of their keys. What a
 * value costs is mostly the table's cache miss, so a slot is 4 bytes: the key and
 * the highest bits of the hash, which save looking at most other values. The rest of
 * the hash is computed again when the table grows.
 *
 * Only values up to KR_KEEP_MAX bytes are kept: longer ones are stored out of
 * line, where a sort holds a short pointer and does not count what is behind
 * it. The rule must look at the plaintext alone, or two equal values
 * could get different keys.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "types/opened.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define KR_KEEP_MAX 2048
#define KR_FIRST_ROOM 1024 /* units of the first segment: most sorts are small */
#define KR_FIRST_SLOTS 512
#define KR_GROWTH 4

/* A slot: 0 = free. No key is 0, since the first unit of the first segment is left out. */
#define KR_SLOT_KEY (KR_OPENED_NOT_KEPT - 1)
#define KR_SLOT_TAG (~KR_SLOT_KEY)

static void
wipe(void *arg)
{
	KrOpened *opened = arg;

	for (uint32 i = 0; i < opened->nsegments; i++)
		explicit_bzero(opened->segments[i], (Size) (i == 0 ? KR_FIRST_ROOM : KR_OPENED_PLACES) * KR_OPENED_UNIT);
}

/* Fills what was just made or reset. */
static void
start(KrOpened *opened)
{
	MemoryContextCallback *callback = MemoryContextAlloc(opened->context, sizeof(MemoryContextCallback));

	opened->nsegments = 0;
	opened->used = opened->room = 0;
	opened->nvalues = 0;
	opened->nslots = KR_FIRST_SLOTS;
	if (opened->distinct)
		opened->slots = MemoryContextAllocZero(opened->context, opened->nslots * sizeof(uint32));
	opened->segments = MemoryContextAlloc(opened->context, KR_OPENED_SEGMENTS * sizeof(char *));
	opened->ends = MemoryContextAlloc(opened->context, KR_OPENED_SEGMENTS * sizeof(uint32));

	/* a reset calls it once and forgets it */
	callback->func = wipe;
	callback->arg = opened;
	MemoryContextRegisterResetCallback(opened->context, callback);
}

KrOpened *
kr_types_opened_new(const KrBaseType *base, MemoryContext parent, bool distinct)
{
	KrOpened *opened = MemoryContextAllocZero(parent, sizeof(KrOpened));

	opened->base = base;
	opened->distinct = distinct;
	opened->context = AllocSetContextCreate(parent, "keyring sort values", ALLOCSET_SMALL_SIZES);
	opened->scratch = AllocSetContextCreate(parent, "keyring opened value", ALLOCSET_SMALL_SIZES);
	start(opened);
	return opened;
}

void
kr_types_opened_free(KrOpened *opened)
{
	MemoryContextDelete(opened->context);
	MemoryContextDelete(opened->scratch);
	pfree(opened);
}

void
kr_types_opened_reset(KrOpened *opened)
{
	MemoryContextReset(opened->context);
	start(opened);
}

Size
kr_types_opened_size(const KrOpened *opened)
{
	return MemoryContextMemAllocated(opened->context, false);
}

static inline uint32 *
first_slot(KrOpened *opened, uint32 hash)
{
	return &opened->slots[hash & (opened->nslots - 1)];
}

static inline uint32 *
next_slot(KrOpened *opened, uint32 *slot)
{
	return ++slot == opened->slots + opened->nslots ? opened->slots : slot;
}

static inline Size
value_size(const KrBaseType *base, Datum plain)
{
	return base->by_value ? sizeof(Datum) : datumGetSize(plain, false, base->typlen);
}

static inline uint32
units_of(Size size)
{
	return (uint32) ((size + KR_OPENED_UNIT - 1) / KR_OPENED_UNIT);
}

/* Enters the values of one segment, from its unit place up to end. */
static void
enter_segment(KrOpened *opened, uint32 segment, uint32 place, uint32 end)
{
	while (place < end)
	{
		uint32 key = segment << KR_OPENED_PLACEBITS | place;
		uint32 *slot;
		uint32 hash;
		Datum plain;

		if (!kr_types_opened_get(&plain, opened, key))
			break;
		hash = opened->base->hash(opened->base, plain);
		slot = first_slot(opened, hash);
		while (*slot != 0)
			slot = next_slot(opened, slot);
		*slot = (hash & KR_SLOT_TAG) | key;
		place += units_of(value_size(opened->base, plain));
	}
}

static void
grow(KrOpened *opened)
{
	pfree(opened->slots);
	opened->nslots *= KR_GROWTH;
	opened->slots = MemoryContextAllocExtended(opened->context, opened->nslots * sizeof(uint32),
											   MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < opened->nsegments; i++)
	{
		/* some seconds for the most that a sort may hold */
		CHECK_FOR_INTERRUPTS();
		enter_segment(opened, i, i == 0 ? 1 : 0, i + 1 < opened->nsegments ? opened->ends[i] : opened->used);
	}
}

/* The slot of this value, or the free one where it belongs. */
static uint32 *
find(KrOpened *opened, Datum plain, uint32 hash)
{
	uint32 *slot = first_slot(opened, hash);
	Datum other;

	for (; *slot != 0; slot = next_slot(opened, slot))
	{
		if ((*slot & KR_SLOT_TAG) == (hash & KR_SLOT_TAG) &&
			kr_types_opened_get(&other, opened, *slot & KR_SLOT_KEY) && opened->base->equal(opened->base, other, plain))
			break;
	}
	return slot;
}

/* Room for so many units: their key, or KR_OPENED_NOT_KEPT when all segments are full. */
static uint32
allocate(KrOpened *opened, uint32 units)
{
	uint32 place;

	if (opened->used + units > opened->room)
	{
		if (opened->nsegments == KR_OPENED_SEGMENTS)
			return KR_OPENED_NOT_KEPT;
		if (opened->nsegments > 0)
			opened->ends[opened->nsegments - 1] = opened->used;
		opened->room = opened->nsegments == 0 ? KR_FIRST_ROOM : KR_OPENED_PLACES;
		opened->segments[opened->nsegments] = MemoryContextAlloc(opened->context, (Size) opened->room * KR_OPENED_UNIT);
		opened->used = opened->nsegments == 0 ? 1 : 0;
		opened->nsegments++;
	}
	place = opened->used;
	opened->used += units;
	return (opened->nsegments - 1) << KR_OPENED_PLACEBITS | place;
}

/* Copies a value in; its key, or KR_OPENED_NOT_KEPT when all segments are full. */
static uint32
store(KrOpened *opened, Datum plain, Size size)
{
	uint32 key = allocate(opened, units_of(size));
	char *place;

	if (key == KR_OPENED_NOT_KEPT)
		return key;
	place = opened->segments[key >> KR_OPENED_PLACEBITS] + (Size) (key & (KR_OPENED_PLACES - 1)) * KR_OPENED_UNIT;
	memcpy(place, opened->base->by_value ? (const void *) &plain : DatumGetPointer(plain), size);
	return key;
}

uint32
kr_types_opened_add(KrOpened *opened, Datum plain)
{
	Size size = value_size(opened->base, plain);
	uint32 key = KR_OPENED_NOT_KEPT;
	uint32 *slot;
	uint32 hash;

	if (!opened->distinct)
		return size > KR_KEEP_MAX ? KR_OPENED_NOT_KEPT : store(opened, plain, size);

	hash = opened->base->hash(opened->base, plain);
	if (size <= KR_KEEP_MAX)
	{
		if (opened->nvalues >= opened->nslots / 4 * 3)
			grow(opened);
		slot = find(opened, plain, hash);
		if (*slot != 0)
			return *slot & KR_SLOT_KEY;
		key = store(opened, plain, size);
	}
	if (key == KR_OPENED_NOT_KEPT)
		return KR_OPENED_NOT_KEPT | (hash & (KR_OPENED_NOT_KEPT - 1));
	*slot = (hash & KR_SLOT_TAG) | key;
	opened->nvalues++;
	return key;
}
