/*
 * src/types/sort.c
 *
 * Sort support of the two btree classes.
 *
 * Plaintext order opens each value once, when it is put into the sort: the
 * "abbreviated key" is the first 35 bits of the base type's own abbreviated key
 * (or zero) and, below them, a key into the opened values, or where those 64 bits say
 * everything about the value (KR_KEY_EXACT), the rest of them but the lowest. Comparing two such
 * keys settles nearly everything; where it returns 0 without being sure, because a value
 * was too long to keep, the sort asks the full comparator, which opens the originals
 * through a memo. The same full comparator serves where PostgreSQL does not abbreviate:
 * in bounded and incremental sorts, merges, and for all but the first column.
 *
 * The sort never says when it has written a batch of values to disk. But it
 * compares a batch only when it is complete, so the first conversion after a
 * comparison begins a new one, and what was opened for the last can go. An assumption
 * gone wrong would show as a key out of range or of another value, never as a stray pointer.
 *
 * Where a number orders the values (dates, integers), that is the abbreviated key, and nothing is kept.
 *
 * Token order is that of 12 bytes, of which the first 8 are the abbreviated key.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "types/compare.h"
#include "types/envelope.h"
#include "types/opened.h"
#include "types/running.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

KR_FUNCTION(keyring_value_sortsupport);
KR_FUNCTION(keyring_value_token_sortsupport);

#define KR_KEY_MASK ((UINT64_C(1) << KR_OPENED_KEYBITS) - 1)
#define KR_KEY_EXACT (UINT64_C(1) << KR_OPENED_KEYBITS)
#define KR_PREFIX_SHIFT (KR_OPENED_KEYBITS + 1)
#define KR_PREFIX_MASK (~UINT64_C(0) << KR_PREFIX_SHIFT)

typedef int (*Comparator)(Datum a, Datum b, SortSupport ssup);

typedef struct Sort
{
	const KrBaseType *base;
	KrMemo *memo;

	/* of plaintext order */
	SortSupportData order; /* the base type's, over opened values */
	Comparator compare;    /* its full comparator */
	bool has_prefix;       /* its abbreviated keys can be had as unsigned numbers */
	bool exact_numbers;    /* which may say everything about a value */
	KrOpened *opened;      /* NULL unless abbreviating */
	bool compared;         /* since the last conversion */
	bool exact;            /* abbreviated keys decide everything */
	bool decided;          /* the last comparison of keys that returned 0 meant equality */
} Sort;

static Sort *
new_sort(FunctionCallInfo fcinfo, SortSupport ssup)
{
	Sort *sort = MemoryContextAllocZero(ssup->ssup_cxt, sizeof(Sort));

	sort->base = kr_types_base_of(fcinfo);
	sort->memo = kr_types_memo_new(sort->base, ssup->ssup_cxt, (Size) work_mem * 1024 / 4);
	ssup->ssup_extra = sort;
	return sort;
}

static inline bool
same_token(Datum a, Datum b)
{
	struct varlena *x = kr_types_header(a);
	struct varlena *y = kr_types_header(b);
	const uint8 *s = kr_types_token_in(x);
	const uint8 *t = s ? kr_types_token_in(y) : NULL;
	bool result = t != NULL && kr_crypto_token_equal(s, t);

	kr_types_free_detoasted(x, a);
	kr_types_free_detoasted(y, b);
	return result;
}

/* The full comparator: of two envelopes. */
static int
compare_envelopes(Datum a, Datum b, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;
	Datum plain;

	if (sort->exact && ssup->abbrev_converter != NULL)
		return 0;
	if (sort->opened != NULL)
	{
		if (sort->decided && ssup->abbrev_converter != NULL)
			return 0;
		/* the sort has given abbreviation up, for this batch and all that follow */
		if (ssup->abbrev_converter == NULL)
		{
			kr_types_opened_free(sort->opened);
			sort->opened = NULL;
		}
	}
	if (same_token(a, b))
		return 0;
	plain = kr_types_memo_open(sort->memo, a);
	return sort->compare(plain, kr_types_memo_open(sort->memo, b), &sort->order);
}

/* The order of opened values where bytes decide; as the base type's, without looking how they are stored. */
static int
compare_bytes(Datum a, Datum b, SortSupport ssup)
{
	struct varlena *x = (struct varlena *) DatumGetPointer(a);
	struct varlena *y = (struct varlena *) DatumGetPointer(b);
	Size x_len = VARSIZE(x) - VARHDRSZ;
	Size y_len = VARSIZE(y) - VARHDRSZ;
	int result = memcmp(VARDATA(x), VARDATA(y), Min(x_len, y_len));

	if (result != 0)
		return result;
	return x_len < y_len ? -1 : x_len > y_len;
}

static inline uint64
number_of(Sort *sort, Datum plain)
{
	Datum key = sort->order.abbrev_converter(plain, &sort->order);

	return sort->base->key_number != NULL ? sort->base->key_number(key) : (uint64) key;
}

/* Two keys with the same prefix, of which the first is exact and the second is not. */
static int
compare_exact(Sort *sort, Datum exact, Datum other)
{
	uint64 number = (exact & KR_PREFIX_MASK) >> 1 | (exact & KR_KEY_MASK);
	uint64 other_number;
	Datum plain;

	sort->decided = kr_types_opened_get(&plain, sort->opened, (uint32) (other & KR_KEY_MASK));
	if (!sort->decided)
		return 0;
	other_number = number_of(sort, plain) >> 1;
	sort->decided = number != other_number;
	return number < other_number ? -1 : number > other_number;
}

/* Two keys with the same prefix. */
static int
compare_rest(Sort *sort, Datum a, Datum b)
{
	Datum x;
	Datum y;

	if ((a & b & KR_KEY_EXACT) != 0)
	{
		sort->decided = true;
		return a < b ? -1 : a > b;
	}
	if ((a & KR_KEY_EXACT) != 0)
		return compare_exact(sort, a, b);
	if ((b & KR_KEY_EXACT) != 0)
		return -compare_exact(sort, b, a);
	sort->decided = kr_types_opened_get(&x, sort->opened, (uint32) (a & KR_KEY_MASK)) &&
		kr_types_opened_get(&y, sort->opened, (uint32) (b & KR_KEY_MASK));
	return !sort->decided || a == b ? 0 : sort->compare(x, y, &sort->order);
}

/* Of two abbreviated keys. */
static int
compare_keys(Datum a, Datum b, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;
	uint64 a_prefix = (uint64) a >> KR_PREFIX_SHIFT;
	uint64 b_prefix = (uint64) b >> KR_PREFIX_SHIFT;

	sort->compared = true;
	if (a_prefix != b_prefix)
		return a_prefix < b_prefix ? -1 : 1;
	return compare_rest(sort, a, b);
}

/* The abbreviated key of an opened value. */
static uint64
key_of(Sort *sort, Datum plain)
{
	uint64 number = sort->has_prefix ? number_of(sort, plain) : 0;

	if (sort->exact_numbers && sort->base->number_is_exact(plain, number))
		return (number & KR_PREFIX_MASK) | KR_KEY_EXACT | (number >> 1 & KR_KEY_MASK);
	return (number & KR_PREFIX_MASK) | kr_types_opened_add(sort->opened, plain);
}

static Datum
convert(Datum original, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;
	struct varlena *envelope = kr_types_detoast(original);
	MemoryContext old;
	uint64 key;
	Datum plain;

	if (sort->compared)
	{
		kr_types_opened_reset(sort->opened);
		sort->compared = false;
	}
	old = MemoryContextSwitchTo(sort->opened->scratch);
	plain = sort->base->open(sort->base, envelope, KR_FOR_USER);
	key = key_of(sort, plain);
	kr_types_forget(sort->base, plain);
	MemoryContextSwitchTo(old);
	kr_types_free_detoasted(envelope, original);
	return (Datum) key;
}

/* Gives up when the opened values take more memory than the sort may. */
static bool
takes_too_much(int memtupcount, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;

	return kr_types_opened_size(sort->opened) > (Size) work_mem * 1024;
}

static Datum
convert_exactly(Datum original, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;
	struct varlena *envelope = kr_types_detoast(original);
	uint64 key = sort->base->sort_key(sort->base, sort->base->open(sort->base, envelope, KR_FOR_USER));

	kr_types_free_detoasted(envelope, original);
	return (Datum) key;
}

static bool
never(int memtupcount, SortSupport ssup)
{
	return false;
}

/* The base type's sort support, asked to abbreviate. */
static void
prepare_order(Sort *sort, SortSupport ssup, bool abbreviate)
{
	SortSupport order = &sort->order;
	TypeCacheEntry *type = lookup_type_cache(sort->base->oid, TYPECACHE_LT_OPR);
	bool by_bytes;

	order->ssup_cxt = ssup->ssup_cxt;
	order->ssup_collation = ssup->ssup_collation;
	order->ssup_attno = ssup->ssup_attno;
	order->abbreviate = abbreviate;
	PrepareSortSupportFromOrderingOp(type->lt_opr, order);
	sort->compare = order->abbrev_converter ? order->abbrev_full_comparator : order->comparator;
	sort->has_prefix = order->abbrev_converter != NULL &&
		(order->comparator == ssup_datum_unsigned_cmp || sort->base->key_number != NULL);
	by_bytes = sort->base == &kr_types_bytea || (sort->base->collatable && kr_pg_collates_bytes(ssup->ssup_collation));
	if (by_bytes)
		sort->compare = compare_bytes;
	sort->exact_numbers = sort->has_prefix && sort->base->number_is_exact != NULL && (by_bytes || !sort->base->collatable);
}

Datum
keyring_value_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);
	Sort *sort = new_sort(fcinfo, ssup);

	/* equal values under a nondeterministic collation would get different keys */
	bool abbreviate = SIZEOF_DATUM == 8 && ssup->abbreviate &&
		kr_types_is_deterministic(sort->base, ssup->ssup_collation);

	sort->exact = abbreviate && sort->base->sort_key != NULL;
	prepare_order(sort, ssup, abbreviate && !sort->exact);
	ssup->comparator = compare_envelopes;
	if (sort->exact)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = convert_exactly;
		ssup->abbrev_abort = never;
		ssup->abbrev_full_comparator = compare_envelopes;
	}
	else if (abbreviate)
	{
		sort->opened = kr_types_opened_new(sort->base, ssup->ssup_cxt, kr_types_keys_are_compared());
		ssup->comparator = compare_keys;
		ssup->abbrev_converter = convert;
		ssup->abbrev_abort = takes_too_much;
		ssup->abbrev_full_comparator = compare_envelopes;
	}
	PG_RETURN_VOID();
}

static int
compare_tokens(Datum a, Datum b, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;
	uint8 x[KR_TOKENBYTES];
	uint8 y[KR_TOKENBYTES];

	kr_types_memo_token(x, sort->memo, a);
	kr_types_memo_token(y, sort->memo, b);
	return memcmp(x, y, KR_TOKENBYTES);
}

static Datum
convert_token(Datum original, SortSupport ssup)
{
	Sort *sort = ssup->ssup_extra;
	uint8 token[KR_TOKENBYTES];
	uint64 key;

	kr_types_memo_token(token, sort->memo, original);
	memcpy(&key, token, sizeof(key));
	return (Datum) pg_ntoh64(key);
}

Datum
keyring_value_token_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	new_sort(fcinfo, ssup);
	ssup->comparator = compare_tokens;
	if (SIZEOF_DATUM == 8 && ssup->abbreviate)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = convert_token;
		ssup->abbrev_abort = never;
		ssup->abbrev_full_comparator = compare_tokens;
	}
	PG_RETURN_VOID();
}
