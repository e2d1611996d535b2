/*
 * src/types/token.c
 *
 * The order and the hash of tokens: what the default operator classes are made
 * of, so what constraints and indexes ask for. It reveals nothing but equality. Two
 * values that carry their tokens are compared without a key, which is all that
 * happens under a page lock: an index holds searchable values only, and
 * operands get their tokens before the scan. Elsewhere (joins, grouping) a value
 * without a token is opened to make one.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "types/compare.h"
#include "types/envelope.h"

KR_FUNCTION(keyring_value_token_eq);
KR_FUNCTION(keyring_value_token_lt);
KR_FUNCTION(keyring_value_token_le);
KR_FUNCTION(keyring_value_token_gt);
KR_FUNCTION(keyring_value_token_ge);
KR_FUNCTION(keyring_value_token_cmp);
KR_FUNCTION(keyring_value_hash);
KR_FUNCTION(keyring_value_hash_extended);

/* The same for an envelope that is stored out of line, or compressed. */
static pg_noinline bool
stored_token_of_header(uint8 *out, Datum value)
{
	struct varlena *header = kr_types_header(value);
	const uint8 *token = kr_types_token_in(header);

	if (likely(token != NULL))
		memcpy(out, token, KR_TOKENBYTES);
	kr_types_free_detoasted(header, value);
	return token != NULL;
}

/* Writes the token of a value; true when it was there without opening anything. */
static inline bool
stored_token(uint8 *out, Datum value)
{
	const uint8 *token = kr_types_token_in_place(value);

	if (unlikely(token == NULL))
		return stored_token_of_header(out, value);
	memcpy(out, token, KR_TOKENBYTES);
	return true;
}

static inline void
token_of(uint8 *out, KrCompareCall *call, Datum value, FunctionCallInfo fcinfo)
{
	if (!stored_token(out, value))
		kr_types_memo_token(out, kr_types_call_memo(call, fcinfo), value);
}

static int
compare_plaintexts(KrCompareCall *call, FunctionCallInfo fcinfo)
{
	KrMemo *memo = kr_types_call_memo(call, fcinfo);
	Datum a = kr_types_memo_open(memo, PG_GETARG_DATUM(0));
	Datum b = kr_types_memo_open(memo, PG_GETARG_DATUM(1));

	return call->call.base->compare(call->call.base, a, b, PG_GET_COLLATION());
}

static int
compare_tokens(FunctionCallInfo fcinfo)
{
	KrCompareCall *call = kr_types_compare_call(fcinfo);
	uint8 a[KR_TOKENBYTES];
	uint8 b[KR_TOKENBYTES];

	if (unlikely(call->by_plaintext))
		return compare_plaintexts(call, fcinfo);
	kr_types_check_collation(call, PG_GET_COLLATION());
	token_of(a, call, PG_GETARG_DATUM(0), fcinfo);
	token_of(b, call, PG_GETARG_DATUM(1), fcinfo);
	return memcmp(a, b, KR_TOKENBYTES);
}

/* "=" without the way through plaintext. Its errors say nothing about a value's content: it is leakproof. */
Datum
keyring_value_token_eq(PG_FUNCTION_ARGS)
{
	uint8 a[KR_TOKENBYTES];
	uint8 b[KR_TOKENBYTES];

	kr_types_check_collation(kr_types_compare_call(fcinfo), PG_GET_COLLATION());
	if (!stored_token(a, PG_GETARG_DATUM(0)) || !stored_token(b, PG_GETARG_DATUM(1)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot compare the tokens of two encrypted values: one has none"),
				 errhint("Compare them with the operator =, or declare the column (searchable).")));
	PG_RETURN_BOOL(kr_crypto_token_equal(a, b));
}

Datum
keyring_value_token_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tokens(fcinfo) < 0);
}

Datum
keyring_value_token_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tokens(fcinfo) <= 0);
}

Datum
keyring_value_token_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tokens(fcinfo) > 0);
}

Datum
keyring_value_token_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tokens(fcinfo) >= 0);
}

Datum
keyring_value_token_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_tokens(fcinfo));
}

static void
token_to_hash(uint8 *out, FunctionCallInfo fcinfo)
{
	KrCompareCall *call = kr_types_compare_call(fcinfo);

	kr_types_check_collation(call, PG_GET_COLLATION());
	if (!stored_token(out, PG_GETARG_DATUM(0)))
		kr_types_memo_hash_token(out, kr_types_call_memo(call, fcinfo), PG_GETARG_DATUM(0));
}

/* A token is as good as random: its first bytes are its hash. With seed 0 the extended hash must begin with them. */
Datum
keyring_value_hash(PG_FUNCTION_ARGS)
{
	uint8 token[KR_TOKENBYTES];

	uint32 hash;

	token_to_hash(token, fcinfo);
	memcpy(&hash, token, sizeof(hash));
	PG_RETURN_UINT32(hash);
}

Datum
keyring_value_hash_extended(PG_FUNCTION_ARGS)
{
	uint8 token[KR_TOKENBYTES];

	uint64 seed = (uint64) PG_GETARG_INT64(1);
	uint64 hash;

	token_to_hash(token, fcinfo);
	memcpy(&hash, token, sizeof(hash));
	return seed == 0 ? UInt64GetDatum(hash) : hash_any_extended(token, KR_TOKENBYTES, seed);
}
