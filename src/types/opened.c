/*
 * src/types/opened.c
 *
 * An array of values, and an open-addressed hash table of places in it.
 *
 * Only values up to KR_KEEP_MAX bytes are kept: longer ones are stored out of
 * line, where a sort holds a short pointer and does not count what is behind
 * it. The rule must look at the plaintext alone, or two equal values
 * could get different keys.
 */
#include "postgres.h"

#include "types/opened.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define KR_KEEP_MAX 2048
#define KR_OPENED_START 1024 /* slots; half of them may be used */

typedef struct Slot
{
	uint32 hash;
	uint32 place; /* in values, plus one; 0 = free */
} Slot;

struct KrOpened
{
	const KrBaseType *base;
	MemoryContext context; /* the values and what follows */
	MemoryContext parent;
	Datum *values;
	uint32 nvalues;
	Slot *slots;
	uint32 nslots; /* a power of two */
};

static void
start(KrOpened *opened)
{
	opened->nslots = KR_OPENED_START;
	opened->nvalues = 0;
	opened->slots = MemoryContextAllocZero(opened->context, opened->nslots * sizeof(Slot));
	opened->values = MemoryContextAlloc(opened->context, opened->nslots / 2 * sizeof(Datum));
}

KrOpened *
kr_types_opened_new(const KrBaseType *base, MemoryContext parent)
{
	KrOpened *opened = MemoryContextAllocZero(parent, sizeof(KrOpened));

	opened->base = base;
	opened->context = AllocSetContextCreate(parent, "keyring sort values", ALLOCSET_DEFAULT_SIZES);
	start(opened);
	return opened;
}

void
kr_types_opened_free(KrOpened *opened)
{
	MemoryContextDelete(opened->context);
	pfree(opened);
}

MemoryContext
kr_types_opened_context(KrOpened *opened)
{
	return opened->context;
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

bool
kr_types_opened_get(Datum *out, const KrOpened *opened, uint32 key)
{
	if (key >= opened->nvalues)
		return false;
	*out = opened->values[key];
	return true;
}

static void
grow(KrOpened *opened)
{
	uint32 nslots = opened->nslots * 2;
	Slot *slots = MemoryContextAllocHuge(opened->context, nslots * sizeof(Slot));

	memset(slots, 0, nslots * sizeof(Slot));
	for (uint32 i = 0; i < opened->nslots; i++)
	{
		Slot *from = &opened->slots[i];
		uint32 to = from->hash & (nslots - 1);

		if (from->place == 0)
			continue;
		while (slots[to].place != 0)
			to = (to + 1) & (nslots - 1);
		slots[to] = *from;
	}
	pfree(opened->slots);
	opened->slots = slots;
	opened->nslots = nslots;
	opened->values = repalloc_huge(opened->values, nslots / 2 * sizeof(Datum));
}

/* The slot of this value, or the free one where it belongs. */
static Slot *
find(KrOpened *opened, Datum plain, uint32 hash)
{
	uint32 i = hash & (opened->nslots - 1);

	while (opened->slots[i].place != 0)
	{
		Slot *slot = &opened->slots[i];

		if (slot->hash == hash && opened->base->equal(opened->values[slot->place - 1], plain))
			return slot;
		i = (i + 1) & (opened->nslots - 1);
	}
	return &opened->slots[i];
}

uint32
kr_types_opened_add(KrOpened *opened, Datum plain)
{
	const KrBaseType *base = opened->base;
	uint32 hash = base->hash(plain);
	Slot *slot;

	if (!base->by_value && datumGetSize(plain, false, base->typlen) > KR_KEEP_MAX)
	{
		kr_types_forget(base, plain);
		return KR_OPENED_NOT_KEPT | hash;
	}

	slot = find(opened, plain, hash);
	if (slot->place != 0)
	{
		kr_types_forget(base, plain);
		return slot->place - 1;
	}
	if (opened->nvalues >= opened->nslots / 2)
	{
		/* more distinct values than keys: the rest is compared like long ones */
		if (opened->nslots >= KR_OPENED_NOT_KEPT)
		{
			kr_types_forget(base, plain);
			return KR_OPENED_NOT_KEPT | hash;
		}
		grow(opened);
		slot = find(opened, plain, hash);
	}
	opened->values[opened->nvalues] = plain;
	slot->hash = hash;
	slot->place = ++opened->nvalues;
	return slot->place - 1;
}
