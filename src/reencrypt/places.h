/*
 * src/reencrypt/places.h
 *
 * Blocks where old values were left or found, as ranges: the pass that comes next goes to these alone. They are in the
 * worker's memory; whoever comes after it does not know them, but the count finds what is left there.
 */
#ifndef KR_REENCRYPT_PLACES_H
#define KR_REENCRYPT_PLACES_H

#include "nodes/pg_list.h"
#include "pg/compat.h"
#include "storage/block.h"

/* end is the first block behind it. */
typedef struct KrRange
{
	Oid relation;
	BlockNumber from;
	BlockNumber end;
} KrRange;

/* Zeroed: none. */
typedef struct KrPlaces
{
	List *ranges;    /* KrRange *, in the order of notes; in TopMemoryContext */
	int in_relation; /* how many at its end are of one relation */
} KrPlaces;

/*
 * Adds a range, to the last one where they touch. Of a relation that has many already, the last one grows over what lies
 * between, so that the list stays short whatever happens.
 */
extern void kr_reencrypt_note(KrPlaces *places, Oid relation, BlockNumber from, BlockNumber end);

/* Whether a relation, that of the last note, has as many ranges as it may have. */
extern bool kr_reencrypt_has_many(const KrPlaces *places, Oid relation);

/* Takes the first one off the list. False if there is none. */
extern bool kr_reencrypt_take_range(KrPlaces *places, KrRange *range);

/* Sum of their sizes. */
extern int64 kr_reencrypt_places_size(const KrPlaces *places);

extern void kr_reencrypt_places_reset(KrPlaces *places);

#endif
