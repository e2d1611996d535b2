/*
 * src/types/cast.c
 *
 * Casts. PostgreSQL calls seal where a base-typed expression meets an encrypted
 * column, with the column's typmod, and coerce where an encrypted one meets
 * another typmod; both are VOLATILE, so that each row gets an envelope of its own.
 */
#include "postgres.h"

#include "types/call.h"
#include "types/envelope.h"
#include "types/memo.h"
#include "utils/datum.h"

KR_FUNCTION(keyring_value_seal);
KR_FUNCTION(keyring_value_coerce);
KR_FUNCTION(keyring_value_accept);
KR_FUNCTION(keyring_value_open);

Datum
keyring_value_seal(PG_FUNCTION_ARGS)
{
	PG_RETURN_POINTER(kr_types_seal(kr_types_base_of(fcinfo), PG_GETARG_DATUM(0), PG_GETARG_INT32(1)));
}

/*
 * Whose rights a new envelope of an old value needs. It shows nothing to the
 * user, so anybody may make one, unless it adds a token: then values could be
 * guessed that could not be before.
 */
static KrReader
reseal_reader(const struct varlena *envelope, int32 typmod)
{
	bool adds_token = KR_TYPMOD_MODE(typmod) != KR_TYPMOD_RANDOMIZED && kr_types_token_in(envelope) == NULL;

	return adds_token ? KR_FOR_USER : KR_FOR_SYSTEM;
}

static bool
is_current(Datum value, int32 typmod)
{
	struct varlena *header = kr_types_header(value);
	bool result = kr_keys_is_current(header, typmod);

	kr_types_free_detoasted(header, value);
	return result;
}

/* Whether a plaintext is already what the base type's modifier makes of it. */
static bool
fits(const KrBaseType *base, Datum plain, int32 typmod)
{
	Datum fitting = kr_types_fit(base, plain, typmod);
	bool result = datumIsEqual(plain, fitting, base->by_value, base->typlen);

	if (!base->by_value && DatumGetPointer(fitting) != DatumGetPointer(plain))
		kr_types_forget(base, fitting);
	return result;
}

/* What passes by its header need not be opened, unless the column has a modifier that the value may not know. */
Datum
keyring_value_coerce(PG_FUNCTION_ARGS)
{
	const KrBaseType *base = kr_types_base_of(fcinfo);
	Datum value = PG_GETARG_DATUM(0);
	int32 typmod = PG_GETARG_INT32(1);
	bool current = is_current(value, typmod);
	struct varlena *envelope;
	Datum result = value;
	Datum plain;

	if (current && KR_TYPMOD_MODIFIER(typmod) == 0)
		PG_RETURN_DATUM(value);

	envelope = kr_types_detoast(value);
	plain = base->open(base, envelope, reseal_reader(envelope, typmod));
	if (!current || !fits(base, plain, typmod))
		result = PointerGetDatum(kr_types_seal(base, plain, typmod));
	kr_types_forget(base, plain);
	kr_types_free_detoasted(envelope, value);
	PG_RETURN_DATUM(result);
}

/*
 * In the place of coerce for a literal that was given as an envelope, which keeps the
 * key that it names. Checked here and not once for all: the lock on its key must be
 * the transaction's that stores it.
 */
Datum
keyring_value_accept(PG_FUNCTION_ARGS)
{
	Datum value = PG_GETARG_DATUM(0);
	struct varlena *envelope = kr_types_detoast(value);

	kr_keys_accept(kr_types_base_of(fcinfo)->oid, envelope, PG_GETARG_INT32(1));
	kr_types_free_detoasted(envelope, value);
	PG_RETURN_DATUM(value);
}

typedef struct OpenCall
{
	KrCall call;
	bool again; /* not the first call: a memo pays only then */
	KrMemo *memo;
} OpenCall;

/*
 * The condition of a join is evaluated for every pair of rows that may match, and the same column may stand in
 * several expressions, whose call sites share the memo. Of a value out of line the header alone would be a visit to its table.
 */
static Datum
open_again(OpenCall *call, FunctionCallInfo fcinfo, Datum value)
{
	const KrBaseType *base = call->call.base;

	if (call->memo == NULL)
		call->memo = kr_types_memo_shared(base, fcinfo->flinfo->fn_mcxt);
	if (!kr_types_memo_pays(call->memo))
		return kr_types_open_once(base, value);
	return datumCopy(kr_types_memo_open(call->memo, value), base->by_value, base->typlen);
}

Datum
keyring_value_open(PG_FUNCTION_ARGS)
{
	OpenCall *call = KR_CALL(fcinfo, OpenCall);
	Datum value = PG_GETARG_DATUM(0);

	if (call->again && !VARATT_IS_EXTERNAL(DatumGetPointer(value)))
		PG_RETURN_DATUM(open_again(call, fcinfo, value));
	call->again = true;
	PG_RETURN_DATUM(kr_types_open_once(call->call.base, value));
}
