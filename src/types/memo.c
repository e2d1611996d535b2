/*
 * src/types/memo.c
 *
 * A direct-mapped table whose key is the envelope's header: it has the nonce,
 * which no two envelopes share. The table doubles, up to a limit, while
 * values are missed; doubling moves each entry to one of two places that
 * no other entry can claim. What the previous call returned is never dropped: a
 * value that would take its place, is too large to keep, or only passes, goes to one
 * of a few spare entries, used in turn.
 *
 * A value that is hashed passes: it is met again at once, if what has the same hash is compared with it, and then
 * no more. What it is compared with is met as often as the value occurs, so the table is for that, and large.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pg/guc.h"
#include "port/pg_bswap.h"
#include "types/envelope.h"
#include "types/kept.h"
#include "types/known.h"
#include "types/memo.h"
#include "utils/memutils.h"

#define KR_MEMO_START 64
#define KR_MEMO_MAX 1024 /* entries: a merge meets some hundreds of values at a time, and what streams past gains nothing */
#define KR_MEMO_HASH_MAX (1024 * 1024)
#define KR_MEMO_SPARES 4

/* so many values that were not known, one after the other, stream past; then this many times as many go by unremembered */
#define KR_MEMO_PATIENCE (2 * KR_MEMO_MAX)
#define KR_MEMO_PAUSE 15

typedef struct Entry
{
	bool used;
	bool has_token;
	uint8 token[KR_TOKENBYTES];
	uint8 key[KR_ENVELOPE_HEADERBYTES];
	Datum value;
	Size size; /* of the value's chunk */
} Entry;

/* of the values in a shared memo */
#define KR_SHARED_LIMIT (256 * 1024)

struct KrMemo
{
	const KrBaseType *base;
	MemoryContext context;
	Size limit;
	Size used; /* by values, without the spare ones */
	Entry *entries;
	uint32 nentries; /* a power of two */
	uint32 most;     /* what nentries may become */
	uint32 misses;   /* since the table has its size */
	uint32 streak;   /* misses since something was found */
	uint32 passed;   /* values that went by since then */
	uint32 hand;     /* where to look for something to drop */
	Entry *previous; /* what the previous call returned */
	Entry spare[KR_MEMO_SPARES];
	int turn;       /* the spare entry that was filled last */
	KrKnown *known; /* tokens of what is hashed; NULL until then */
	KrKept kept;
	dlist_node node; /* of those that are shared */
	MemoryContextCallback callback;
	Entry first[KR_MEMO_START]; /* the entries until there are more: wiping allocates nothing */
};

static dlist_head shared = DLIST_STATIC_INIT(shared);

/* The counter varies fastest; the prefix tells processes apart. */
static inline uint32
hash_key(const uint8 *key)
{
	uint32 prefix;
	uint32 counter;

	memcpy(&prefix, key + 8, sizeof(prefix));
	memcpy(&counter, key + 20, sizeof(counter));
	return prefix + pg_ntoh32(counter);
}

static inline bool
is_spare(const KrMemo *memo, const Entry *entry)
{
	return entry >= memo->spare && entry < memo->spare + KR_MEMO_SPARES;
}

static void
drop(KrMemo *memo, Entry *entry)
{
	if (!entry->used)
		return;
	entry->used = false;
	if (!is_spare(memo, entry))
		memo->used -= entry->size;
	kr_types_forget(memo->base, entry->value);
	entry->value = (Datum) 0; /* it may be the plaintext itself */
}

/* What they hold is elsewhere, or was dropped. */
static void
free_entries(KrMemo *memo)
{
	explicit_bzero(memo->entries, memo->nentries * sizeof(Entry));
	if (memo->entries != memo->first)
		pfree(memo->entries);
}

static void
wipe(void *owner)
{
	KrMemo *memo = owner;

	for (uint32 i = 0; i < memo->nentries; i++)
		drop(memo, &memo->entries[i]);
	for (int i = 0; i < KR_MEMO_SPARES; i++)
		drop(memo, &memo->spare[i]);
	free_entries(memo);
	if (memo->known != NULL)
		kr_types_known_free(memo->known);
	memo->known = NULL;
	memo->entries = memo->first;
	memo->nentries = KR_MEMO_START;
	memo->misses = 0;
	memo->previous = NULL;
}

KrMemo *
kr_types_memo_new(const KrBaseType *base, MemoryContext parent, Size limit)
{
	MemoryContext context = AllocSetContextCreate(parent, "keyring opened values", ALLOCSET_SMALL_SIZES);
	KrMemo *memo = MemoryContextAllocZero(context, sizeof(KrMemo));

	memo->base = base;
	memo->context = context;
	memo->limit = limit;
	memo->nentries = KR_MEMO_START;
	memo->most = KR_MEMO_MAX;
	memo->entries = memo->first;
	kr_types_keep(&memo->kept, context, wipe, memo);
	return memo;
}

static void
leave(void *arg)
{
	dlist_delete(&((KrMemo *) arg)->node);
}

/* The executor keeps a hash function in the query's context, and the comparison for the same table in one below. */
KrMemo *
kr_types_memo_shared(const KrBaseType *base, MemoryContext context)
{
	MemoryContext above = MemoryContextGetParent(context);
	dlist_iter iter;
	KrMemo *memo;

	dlist_foreach(iter, &shared)
	{
		MemoryContext parent;

		memo = dlist_container(KrMemo, node, iter.cur);
		parent = MemoryContextGetParent(memo->context);
		if (memo->base == base && (parent == context || parent == above))
			return memo;
	}
	memo = kr_types_memo_new(base, context, KR_SHARED_LIMIT);
	memo->callback.func = leave;
	memo->callback.arg = memo;
	dlist_push_head(&shared, &memo->node);
	MemoryContextRegisterResetCallback(memo->context, &memo->callback);
	return memo;
}

static void
grow(KrMemo *memo)
{
	uint32 nentries = memo->nentries * 2;
	Entry *entries = MemoryContextAllocZero(memo->context, nentries * sizeof(Entry));

	for (uint32 i = 0; i < memo->nentries; i++)
	{
		Entry *from = &memo->entries[i];
		Entry *to = &entries[hash_key(from->key) & (nentries - 1)];

		if (!from->used)
			continue;
		*to = *from;
		if (memo->previous == from)
			memo->previous = to;
	}
	free_entries(memo);
	memo->entries = entries;
	memo->nentries = nentries;
	memo->misses = 0;
}

static void
make_room(KrMemo *memo)
{
	uint32 enough = memo->most > KR_MEMO_MAX ? memo->nentries / 2 : memo->nentries;

	if (memo->misses > enough && memo->nentries < memo->most)
		grow(memo);
	for (uint32 i = 0; i < memo->nentries && memo->used > memo->limit; i++)
	{
		Entry *entry = &memo->entries[memo->hand++ & (memo->nentries - 1)];

		if (entry != memo->previous)
			drop(memo, entry);
	}
}

static void
fill(KrMemo *memo, Entry *entry, const uint8 *key, Datum value, Size size)
{
	drop(memo, entry);
	memcpy(entry->key, key, KR_ENVELOPE_HEADERBYTES);
	entry->value = value;
	entry->size = size;
	entry->has_token = false;
	entry->used = true;
	if (!is_spare(memo, entry))
		memo->used += size;
}

Datum
kr_types_open_once(const KrBaseType *base, Datum envelope)
{
	struct varlena *whole = kr_types_detoast(envelope);
	Datum result = base->open(base, whole, KR_FOR_USER);

	kr_types_free_detoasted(whole, envelope);
	return result;
}

static Datum
open_value(KrMemo *memo, Datum value)
{
	MemoryContext old = MemoryContextSwitchTo(memo->context);
	Datum result = kr_types_open_once(memo->base, value);

	MemoryContextSwitchTo(old);
	return result;
}

/* Not the one that the previous call returned: it may have been found there, out of turn. */
static Entry *
next_spare(KrMemo *memo)
{
	do
		memo->turn = (memo->turn + 1) % KR_MEMO_SPARES;
	while (&memo->spare[memo->turn] == memo->previous);
	return &memo->spare[memo->turn];
}

static Entry *
place_for(KrMemo *memo, const uint8 *key, Size size)
{
	Entry *entry;

	memo->misses++;
	make_room(memo);
	entry = &memo->entries[hash_key(key) & (memo->nentries - 1)];
	return entry == memo->previous || size > memo->limit / 4 ? next_spare(memo) : entry;
}

static Entry *
open_entry(KrMemo *memo, const uint8 *key, Datum value, bool passes)
{
	Datum plain = open_value(memo, value);
	Size size = memo->base->by_value ? 0 : GetMemoryChunkSpace(DatumGetPointer(plain));
	Entry *entry = passes ? next_spare(memo) : place_for(memo, key, size);

	fill(memo, entry, key, plain, size);
	return entry;
}

/* The end of the prefix and the counter, by which nearly all keys differ. */
static inline uint64
end_of(const uint8 *key)
{
	uint64 end;

	memcpy(&end, key + KR_ENVELOPE_HEADERBYTES - sizeof(end), sizeof(end));
	return end;
}

static inline bool
holds(const Entry *entry, const uint8 *key)
{
	return end_of(entry->key) == end_of(key) && entry->used && memcmp(entry->key, key, KR_ENVELOPE_HEADERBYTES) == 0;
}

/*
 * The spare entries first: there lies what was just hashed and is compared now. What passes was not met before, so the
 * table is not asked, whose entry would be fetched from far away.
 */
static inline Entry *
look_up(KrMemo *memo, const uint8 *key, bool passes)
{
	Entry *entry;

	for (entry = memo->spare; entry < memo->spare + KR_MEMO_SPARES; entry++)
	{
		if (holds(entry, key))
			return entry;
	}
	entry = passes ? NULL : &memo->entries[hash_key(key) & (memo->nentries - 1)];
	return entry != NULL && holds(entry, key) ? entry : NULL;
}

static Entry *
find(KrMemo *memo, Datum value, bool passes)
{
	struct varlena *header = kr_types_header(value);
	const uint8 *key = (const uint8 *) VARDATA_ANY(header);
	Entry *entry;

	/* the value may have been opened for another role */
	if (unlikely(kr_guc_require_reader))
		kr_keys_require_reader();
	if (unlikely(VARSIZE_ANY_EXHDR(header) < KR_ENVELOPE_HEADERBYTES))
		(void) kr_keys_stored_token(header); /* throws: damaged */
	entry = look_up(memo, key, passes);
	memo->streak = entry != NULL ? 0 : memo->streak + 1;
	if (entry == NULL)
		entry = open_entry(memo, key, value, passes);
	kr_types_free_detoasted(header, value);
	memo->previous = entry;
	return entry;
}

bool
kr_types_memo_pays(KrMemo *memo)
{
	if (memo->streak < KR_MEMO_PATIENCE)
		return true;
	if (memo->passed++ < KR_MEMO_PATIENCE * KR_MEMO_PAUSE)
		return false;
	memo->streak = 0;
	memo->passed = 0;
	return true;
}

Datum
kr_types_memo_open(KrMemo *memo, Datum envelope)
{
	return find(memo, envelope, false)->value;
}

static void
make_token(KrMemo *memo, Entry *entry)
{
	if (memo->known != NULL)
		kr_types_known_token(entry->token, memo->known, entry->value);
	else
		memo->base->token(memo->base, entry->token, entry->value);
	entry->has_token = true;
}

static void
token_of(uint8 *out, KrMemo *memo, Datum envelope, bool passes)
{
	struct varlena *header = kr_types_header(envelope);
	const uint8 *stored = kr_types_token_in(header);
	Entry *entry;

	if (stored != NULL)
		memcpy(out, stored, KR_TOKENBYTES);
	kr_types_free_detoasted(header, envelope);
	if (stored != NULL)
		return;

	entry = find(memo, envelope, passes);
	if (!entry->has_token)
		make_token(memo, entry);
	memcpy(out, entry->token, KR_TOKENBYTES);
}

void
kr_types_memo_token(uint8 *out, KrMemo *memo, Datum envelope)
{
	token_of(out, memo, envelope, false);
}

void
kr_types_memo_hash_token(uint8 *out, KrMemo *memo, Datum envelope)
{
	if (memo->most == KR_MEMO_MAX)
	{
		memo->limit = Max(memo->limit, (Size) work_mem * 1024 / 4);
		while (memo->most < KR_MEMO_HASH_MAX && memo->most * 2 * sizeof(Entry) <= memo->limit)
			memo->most *= 2;
	}
	if (memo->known == NULL)
		memo->known = kr_types_known_new(memo->base, memo->context, (Size) work_mem * 1024 / 8);
	token_of(out, memo, envelope, true);
}
