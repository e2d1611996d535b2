/*
 * src/reencrypt/places.c
 */
#include "postgres.h"

#include "reencrypt/places.h"
#include "utils/memutils.h"

#define KR_MANY_RANGES 100

bool
kr_reencrypt_has_many(const KrPlaces *places, Oid relation)
{
	return places->in_relation >= KR_MANY_RANGES && ((KrRange *) llast(places->ranges))->relation == relation;
}

/* The range at the end of the list, if it is to hold the new one too. */
static KrRange *
range_to_grow(const KrPlaces *places, Oid relation, BlockNumber from)
{
	KrRange *last = places->ranges != NIL ? llast(places->ranges) : NULL;

	if (last == NULL || last->relation != relation)
		return NULL;
	return (from >= last->from && from <= last->end) || kr_reencrypt_has_many(places, relation) ? last : NULL;
}

void
kr_reencrypt_note(KrPlaces *places, Oid relation, BlockNumber from, BlockNumber end)
{
	KrRange *range = range_to_grow(places, relation, from);
	MemoryContext old;

	if (range != NULL)
	{
		range->from = Min(range->from, from);
		range->end = Max(range->end, end);
		return;
	}
	if (places->ranges == NIL || ((KrRange *) llast(places->ranges))->relation != relation)
		places->in_relation = 0;
	places->in_relation++;
	old = MemoryContextSwitchTo(TopMemoryContext);
	range = palloc(sizeof(KrRange));
	*range = (KrRange){ relation, from, end };
	places->ranges = lappend(places->ranges, range);
	MemoryContextSwitchTo(old);
}

bool
kr_reencrypt_take_range(KrPlaces *places, KrRange *range)
{
	if (places->ranges == NIL)
		return false;
	*range = *(KrRange *) linitial(places->ranges);
	pfree(linitial(places->ranges));
	places->ranges = list_delete_first(places->ranges);
	return true;
}

int64
kr_reencrypt_places_size(const KrPlaces *places)
{
	int64 blocks = 0;
	ListCell *cell;

	foreach(cell, places->ranges)
	{
		const KrRange *range = lfirst(cell);

		blocks += range->end - range->from;
	}
	return blocks;
}

void
kr_reencrypt_places_reset(KrPlaces *places)
{
	list_free_deep(places->ranges);
	*places = (KrPlaces){ 0 };
}
