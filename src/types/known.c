/*
 * src/types/known.c
 *
 * A hash table whose key is the bytes of a plaintext as PostgreSQL has them in memory. Equal values that are
 * written differently, such as 1.5 and 1.50, have an entry each, with the same token. A value has two places, of which
 * the first is that of the newer one. They share a cache line: a single miss of the cache is what makes this
 * cheaper than the HMAC, so longer values than half of a line has room for are not kept.
 *
 * The table grows while values are missed. Where it has its full size and still little is found, values
 * do not repeat: it is given up.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "crypto/token.h"
#include "types/known.h"
#include "utils/memutils.h"

#define KR_KNOWN_BYTES 19
#define KR_KNOWN_START 32 /* pairs */
#define KR_KNOWN_MOST (128 * 1024)
#define KR_KNOWN_GROWTH 4
#define KR_KNOWN_RARE 16 /* given up when fewer than one in so many was found */

typedef struct Entry
{
	uint8 len; /* and 1; 0: free */
	uint8 bytes[KR_KNOWN_BYTES];
	uint8 token[KR_TOKENBYTES];
} Entry;

/* A cache line. */
typedef struct Pair
{
	Entry newer;
	Entry older;
} Pair;

struct KrKnown
{
	const KrBaseType *base;
	MemoryContext context;
	Pair *pairs;   /* NULL: given up */
	void *memory;  /* that they lie in, from the next cache line on */
	uint32 npairs; /* a power of two */
	uint32 most;
	uint32 found; /* since the table has its size */
	uint32 missed;
};

/* What the key of a value is; false for one that is too long. */
static inline bool
make_key(Entry *key, const KrBaseType *base, const Datum *plain)
{
	const void *bytes = plain;
	Size len = sizeof(Datum);

	if (!base->by_value)
	{
		bytes = base->typlen < 0 ? VARDATA_ANY(DatumGetPointer(*plain)) : DatumGetPointer(*plain);
		len = base->typlen < 0 ? VARSIZE_ANY_EXHDR(DatumGetPointer(*plain)) : (Size) base->typlen;
	}
	if (len > KR_KNOWN_BYTES)
		return false;
	memset(key, 0, sizeof(Entry));
	key->len = (uint8) (len + 1);
	memcpy(key->bytes, bytes, len);
	return true;
}

static inline Pair *
place_of(KrKnown *known, const Entry *key)
{
	return &known->pairs[hash_bytes(key->bytes, key->len - 1) & (known->npairs - 1)];
}

static inline void
enter(Pair *pair, const Entry *entry)
{
	pair->older = pair->newer;
	pair->newer = *entry;
}

/* What follows a short value is zero in both. */
static inline bool
is_same(const Entry *entry, const Entry *key)
{
	return memcmp(entry, key, offsetof(Entry, token)) == 0;
}

static void
make_pairs(KrKnown *known, uint32 npairs)
{
	known->memory = MemoryContextAllocZero(known->context, npairs * sizeof(Pair) + PG_CACHE_LINE_SIZE);
	known->pairs = (Pair *) TYPEALIGN(PG_CACHE_LINE_SIZE, known->memory);
	known->npairs = npairs;
	known->found = known->missed = 0;
}

static void
drop_pairs(KrKnown *known)
{
	if (known->pairs == NULL)
		return;
	explicit_bzero(known->pairs, known->npairs * sizeof(Pair));
	pfree(known->memory);
	known->pairs = NULL;
}

KrKnown *
kr_types_known_new(const KrBaseType *base, MemoryContext context, Size most)
{
	KrKnown *known = MemoryContextAllocZero(context, sizeof(KrKnown));

	known->base = base;
	known->context = context;
	known->most = KR_KNOWN_START;
	while (known->most < KR_KNOWN_MOST && known->most * KR_KNOWN_GROWTH * sizeof(Pair) <= most)
		known->most *= KR_KNOWN_GROWTH;
	make_pairs(known, KR_KNOWN_START);
	return known;
}

void
kr_types_known_free(KrKnown *known)
{
	drop_pairs(known);
	pfree(known);
}

static void
grow(KrKnown *known)
{
	KrKnown smaller = *known;

	make_pairs(known, smaller.npairs * KR_KNOWN_GROWTH);
	for (uint32 i = 0; i < smaller.npairs; i++)
	{
		const Pair *pair = &smaller.pairs[i];

		if (pair->older.len != 0)
			enter(place_of(known, &pair->older), &pair->older);
		if (pair->newer.len != 0)
			enter(place_of(known, &pair->newer), &pair->newer);
	}
	drop_pairs(&smaller);
}

/* Called when the table has missed as many values as it has lines. */
static void
grow_or_give_up(KrKnown *known)
{
	if (known->npairs < known->most)
		grow(known);
	else if (known->found < known->missed / KR_KNOWN_RARE)
		drop_pairs(known);
	else
		known->found = known->missed = 0;
}

/* The entry of this value, made if there is none. */
static const Entry *
known_entry(KrKnown *known, Entry *key, Datum plain)
{
	Pair *pair = place_of(known, key);

	if (is_same(&pair->newer, key) || is_same(&pair->older, key))
	{
		known->found++;
		return is_same(&pair->newer, key) ? &pair->newer : &pair->older;
	}
	known->missed++;
	known->base->token(known->base, key->token, plain);
	enter(pair, key);
	return key;
}

void
kr_types_known_token(uint8 *out, KrKnown *known, Datum plain)
{
	Entry key;

	if (known->pairs == NULL || !make_key(&key, known->base, &plain))
	{
		known->base->token(known->base, out, plain);
		return;
	}
	memcpy(out, known_entry(known, &key, plain)->token, KR_TOKENBYTES);
	explicit_bzero(key.bytes, sizeof(key.bytes));
	if (known->missed >= known->npairs)
		grow_or_give_up(known);
}
