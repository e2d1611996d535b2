/*
 * src/types/compare.c
 *
 * Comparison operators. Equality is decided by tokens where both sides carry
 * one, by plaintext otherwise; order always by plaintext. Each operator comes
 * in three forms, (encrypted, encrypted) and mixed with the base type on either side.
 * Values opened here are opened for the current user: keyring.require_reader applies.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "nodes/primnodes.h"
#include "types/compare.h"
#include "types/envelope.h"
#include "utils/lsyscache.h"

KR_FUNCTION(keyring_value_eq);
KR_FUNCTION(keyring_value_ne);
KR_FUNCTION(keyring_value_lt);
KR_FUNCTION(keyring_value_le);
KR_FUNCTION(keyring_value_gt);
KR_FUNCTION(keyring_value_ge);
KR_FUNCTION(keyring_value_cmp);

KrCompareCall *
kr_types_compare_call_new(FunctionCallInfo fcinfo)
{
	KrCompareCall *call = kr_types_call_new(fcinfo, sizeof(KrCompareCall));

	call->by_plaintext = fcinfo->flinfo->fn_expr != NULL && IsA(fcinfo->flinfo->fn_expr, MinMaxExpr);
	return call;
}

bool
kr_types_keeps_equality(Oid collation)
{
	return !OidIsValid(collation) || collation == DEFAULT_COLLATION_OID || get_collation_isdeterministic(collation);
}

bool
kr_types_is_deterministic(const KrBaseType *base, Oid collation)
{
	return !base->collatable || kr_types_keeps_equality(collation);
}

void
kr_types_look_at_collation(KrCompareCall *call, Oid collation)
{
	if (!kr_types_is_deterministic(call->call.base, collation))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("cannot compare encrypted values for equality under a nondeterministic collation"),
				 errhint("Cast the values to %s, or use another collation.", call->call.base->name)));
	call->deterministic = collation;
}

KrMemo *
kr_types_call_memo(KrCompareCall *call, FunctionCallInfo fcinfo)
{
	if (call->memo == NULL)
		call->memo = kr_types_memo_shared(call->call.base, fcinfo->flinfo->fn_mcxt);
	return call->memo;
}

/* The same for envelopes that are stored out of line, or compressed. */
static pg_noinline bool
decided_by_headers(Datum a, Datum b, bool *equal)
{
	struct varlena *x = kr_types_header(a);
	struct varlena *y = kr_types_header(b);
	const uint8 *s = kr_types_token_in(x);
	const uint8 *t = s ? kr_types_token_in(y) : NULL;
	bool decided = t != NULL;

	if (decided)
		*equal = kr_crypto_token_equal(s, t);
	kr_types_free_detoasted(x, a);
	kr_types_free_detoasted(y, b);
	return decided;
}

/* Whether tokens decide the equality of two envelopes, and how. */
static inline bool
decided_by_tokens(Datum a, Datum b, bool *equal)
{
	const uint8 *s = kr_types_token_in_place(a);
	const uint8 *t = kr_types_token_in_place(b);

	if (unlikely(s == NULL || t == NULL))
		return decided_by_headers(a, b, equal);
	*equal = kr_crypto_token_equal(s, t);
	return true;
}

/* One may be a token only, which PostgreSQL compares with whatever else must be equal to the same column. */
static bool
equal_tokens(KrMemo *memo, Datum a, Datum b)
{
	uint8 s[KR_TOKENBYTES];
	uint8 t[KR_TOKENBYTES];

	kr_types_memo_token(s, memo, a);
	kr_types_memo_token(t, memo, b);
	return kr_crypto_token_equal(s, t);
}

static bool
are_equal(FunctionCallInfo fcinfo)
{
	KrCompareCall *call = kr_types_compare_call(fcinfo);
	const KrBaseType *base = call->call.base;
	Datum a = PG_GETARG_DATUM(0);
	Datum b = PG_GETARG_DATUM(1);
	KrMemo *memo;
	Datum plain;
	bool result;

	kr_types_check_collation(call, PG_GET_COLLATION());
	if (call->call.form == KR_ENC_ENC)
	{
		if (decided_by_tokens(a, b, &result))
			return result;
		memo = kr_types_call_memo(call, fcinfo);
		if (kr_types_has_token(a) || kr_types_has_token(b))
			return equal_tokens(memo, a, b);
		plain = kr_types_memo_open(memo, a);
		return base->equal(base, plain, kr_types_memo_open(memo, b));
	}
	plain = kr_types_open_once(base, call->call.form == KR_ENC_BASE ? a : b);
	result = base->equal(base, plain, call->call.form == KR_ENC_BASE ? b : a);
	kr_types_forget(base, plain);
	return result;
}

static int
order(FunctionCallInfo fcinfo)
{
	KrCompareCall *call = kr_types_compare_call(fcinfo);
	const KrBaseType *base = call->call.base;
	Datum a = PG_GETARG_DATUM(0);
	Datum b = PG_GETARG_DATUM(1);
	KrMemo *memo;
	Datum plain;
	int result;

	switch (call->call.form)
	{
		case KR_ENC_BASE:
			plain = kr_types_open_once(base, a);
			result = base->compare(base, plain, b, PG_GET_COLLATION());
			kr_types_forget(base, plain);
			return result;
		case KR_BASE_ENC:
			plain = kr_types_open_once(base, b);
			result = base->compare(base, a, plain, PG_GET_COLLATION());
			kr_types_forget(base, plain);
			return result;
		default:
			memo = kr_types_call_memo(call, fcinfo);
			plain = kr_types_memo_open(memo, a);
			return base->compare(base, plain, kr_types_memo_open(memo, b), PG_GET_COLLATION());
	}
}

Datum
keyring_value_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(are_equal(fcinfo));
}

Datum
keyring_value_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!are_equal(fcinfo));
}

Datum
keyring_value_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(fcinfo) < 0);
}

Datum
keyring_value_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(fcinfo) <= 0);
}

Datum
keyring_value_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(fcinfo) > 0);
}

Datum
keyring_value_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(order(fcinfo) >= 0);
}

Datum
keyring_value_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(order(fcinfo));
}
